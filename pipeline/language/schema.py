"""The schema of a pipeline file, put together from the file's own and that of each stage kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import schemas
from pipeline.ports.stage import StageKind

Schema: TypeAlias = dict[str, Any]

ALWAYS: Final = ("kind", "needs", "when", "timeout", "allow_failure", "matrix", "exclude", "concurrency")
"""Common keys that every kind takes, whatever its `x-common` says."""
DEFAULT_KIND: Final = "run"
_NOT_IN_DEFAULTS: Final = ("kind", "needs", "matrix", "exclude", "split", "emits", "outputs")


def document() -> Schema:
    """The file's own schema; what each kind of target takes (`schemas/targets/`) is among its definitions."""
    written = schemas.load("pipeline")
    kinds = written["$defs"]["deployment-environment"]["properties"]["target"]["properties"]
    targets = {f"target-{kind}": _definition(schemas.load(f"targets/{kind}")) for kind in kinds}
    return {**written, "$defs": {**written["$defs"], **targets}}


class Grammar:
    """The schemas that a file is read with; references are resolved, so that a walk needs no second document."""

    def __init__(self, kinds: Mapping[str, StageKind]) -> None:
        self.kinds = kinds
        self._document = document()
        self._definitions: Schema = self._document["$defs"]
        self._stages: dict[str, Schema] = {}
        self._inlined: dict[str, Schema] = {}
        self.common: Schema = self._inline(self._definitions["stage"])["properties"]

    def file(self) -> Schema:
        """The file without its stages, which are read kind by kind."""
        written = {key: value for key, value in self._document.items() if not key.startswith("$")}
        frame: Schema = self._inline(written)
        frame["properties"]["defaults"] = self.defaults()
        return frame

    def emitted(self) -> Schema:
        """A file that a stage emits: stages, and nothing else."""
        frame = self.file()
        stages = {**frame["properties"]["stages"], "minProperties": 0}
        return {**frame, "properties": {"stages": stages}, "required": ["stages"], "x-frame": "emitted"}

    def defaults(self) -> Schema:
        """What may stand under `defaults`."""
        properties = {key: value for key, value in self.common.items() if key not in _NOT_IN_DEFAULTS}
        return {
            "type": "object",
            "properties": properties,
            "patternProperties": {"^x-": True},
            "additionalProperties": False,
            "x-frame": "stage",
        }

    def any_stage(self) -> Schema:
        """A stage of which only the common keys are known, because its kind does not exist."""
        return {"type": "object", "properties": self.common, "x-frame": "stage"}

    def stage(self, kind: str) -> Schema:
        """A stage of that kind; KeyError when there is no such kind."""
        if kind not in self._stages:
            own = self.kinds[kind].schema()
            common = {key: self.common[key] for key in self.common_keys(own)}
            own_properties: Schema = self._inline(dict(own.get("properties", {})))  # type: ignore[arg-type]
            self._stages[kind] = {
                **{key: value for key, value in own.items() if key not in ("$schema", "$id", "properties", "x-common")},
                "type": "object",
                "properties": {**common, **own_properties},
                "patternProperties": {"^x-": True},
                "additionalProperties": False,
                "x-frame": "stage",
                "x-own": sorted(own_properties),
            }
        return self._stages[kind]

    def common_keys(self, own: Mapping[str, Any]) -> tuple[str, ...]:
        """The common keys that a kind with this schema takes."""
        wanted = own.get("x-common")
        if wanted is None:
            return tuple(self.common)
        return tuple(key for key in self.common if key in ALWAYS or key in wanted)

    def _inline(self, schema: Any) -> Any:
        return inlined(schema, self._definitions, self._inlined)


def inlined(schema: Any, definitions: Schema, known: Schema | None = None) -> Any:
    """A schema with its `$ref`s replaced by what they name; `known` keeps what was looked up before."""
    known = {} if known is None else known
    if isinstance(schema, list):
        return [inlined(item, definitions, known) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        name = reference.removeprefix("#/$defs/")
        if name not in known:
            known[name] = inlined(definitions[name], definitions, known)
        target = known[name]
        if len(schema) == 1:
            return target
        return {**target, **{key: inlined(value, definitions, known) for key, value in schema.items() if key != "$ref"}}
    return {key: inlined(value, definitions, known) for key, value in schema.items()}


def compose(kinds: Mapping[str, StageKind]) -> Schema:
    """One JSON Schema (2020-12) of the whole file with these kinds, for editors and `ecluse schema`."""
    grammar = Grammar(kinds)
    written = document()
    definitions: Schema = {key: value for key, value in written["$defs"].items() if key != "stage"}
    cases: list[Schema] = []
    for name in sorted(kinds):
        stage = {key: value for key, value in grammar.stage(name).items() if not key.startswith("x-")}
        stage["required"] = list(_without_defaults(stage.get("required", ())))
        stage["properties"] = {**stage["properties"], "kind": {"const": name}}
        definitions[f"stage-{name}"] = stage
        condition: Schema = {"properties": {"kind": {"const": name}}}
        if name != DEFAULT_KIND:
            condition["required"] = ["kind"]
        cases.append({"if": condition, "then": {"$ref": f"#/$defs/stage-{name}"}})
    kind = {**grammar.common["kind"], "enum": sorted(kinds)}
    stage_of_any_kind: Schema = {"type": "object", "properties": {"kind": kind}, "allOf": cases}
    properties = {
        **written["properties"],
        "defaults": {**written["properties"]["defaults"], **grammar.defaults()},
        "stages": {**written["properties"]["stages"], "additionalProperties": {"$ref": "#/$defs/stage"}},
    }
    return {**written, "properties": properties, "$defs": {**definitions, "stage": stage_of_any_kind}}


def _definition(schema: Schema) -> Schema:
    """A schema of a file of its own as a part of another; its title describes it there."""
    part = {key: value for key, value in schema.items() if key not in ("$schema", "title")}
    return {"description": schema["title"], **part}


def _without_defaults(required: Iterable[str]) -> Iterable[str]:
    """`image` may come from `defaults`, which a schema cannot say."""
    return (key for key in required if key != "image")
