"""A file between text and `Definition`: its values as they were read, each stage by its kind's schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.diagnostic import Position
from pipeline.language import build
from pipeline.language.graph import CHECKOUT, wants_checkout, with_implied_needs, with_source
from pipeline.language.problems import Problems
from pipeline.language.schema import DEFAULT_KIND, Grammar, Schema
from pipeline.language.tree import Entry, MapNode, Path, Scalar, entry_at
from pipeline.language.values import Reading, check_name, plain_value
from pipeline.model.definition import Definition, EnvironmentDefinition, StageDefinition
from pipeline.model.quantity import seconds
from pipeline.ports.stage import StageKind


@dataclass(kw_only=True, slots=True)
class StageDraft:
    """One stage as read; `values` is None when it is no mapping, `schema` None when its kind does not exist."""

    name: str
    entry: Entry
    kind: str
    values: dict[str, Any] | None
    schema: Schema | None

    @property
    def own(self) -> frozenset[str]:
        """Keys of its kind alone."""
        return frozenset(self.schema["x-own"]) if self.schema else frozenset()


class Draft:
    """All values of a file. Checks take out what cannot be believed, so that the rest can be built and judged."""

    def __init__(self, root: MapNode, kinds: Mapping[str, StageKind], problems: Problems) -> None:
        self.root = root
        self.kinds = kinds
        self.problems = problems
        self.grammar = Grammar(kinds)
        self.reading = Reading()
        self.schema = self.grammar.file()
        without_stages = MapNode({key: value for key, value in root.entries.items() if key != "stages"}, root.span)
        self.values: dict[str, Any] = plain_value(without_stages, self.schema, (), self.reading)
        entry = root.entries.get("stages")
        self.stages_entry = entry
        written = entry.value.entries if entry and isinstance(entry.value, MapNode) else {}
        names = self.schema["properties"]["stages"]["propertyNames"]
        for name, item in written.items():
            check_name(item, names, ("stages", name), self.reading)
        self.stages = [self._stage(name, item) for name, item in written.items()]

    def _stage(self, name: str, entry: Entry) -> StageDraft:
        node = entry.value
        if isinstance(node, Scalar) and node.plain and not node.text:
            node = MapNode({}, node.span)
        if not isinstance(node, MapNode):
            return StageDraft(name=name, entry=entry, kind=DEFAULT_KIND, values=None, schema=None)
        written = node.entries.get("kind")
        kind = written.value.text if written and isinstance(written.value, Scalar) else DEFAULT_KIND
        schema = self.grammar.stage(kind) if kind in self.kinds else None
        path: Path = ("stages", name)
        values = plain_value(node, schema or self.grammar.defaults(), path, self.reading)
        return StageDraft(name=name, entry=entry, kind=kind, values=values, schema=schema)

    def drop(self, paths: Iterable[Path]) -> None:
        """Take out the stage or environment key, or the key of the file, that each path is in."""
        stages = {stage.name: stage for stage in self.stages}
        for path in paths:
            if len(path) >= 3 and path[0] == "stages":
                _drop_from_stage(stages[str(path[1])].values, path[2:])
            elif len(path) >= 3 and path[0] == "environments":
                environment = self._section("environments").get(path[1])
                if isinstance(environment, dict):
                    environment.pop(path[2], None)
            elif len(path) >= 2 and path[0] in ("environments", "defaults", "variables"):
                self._section(str(path[0])).pop(path[1], None)
            elif path and path[0] != "stages":
                self.values.pop(str(path[0]), None)

    def _section(self, name: str) -> dict[Any, Any]:
        section = self.values.get(name)
        return section if isinstance(section, dict) else {}

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What stands under `defaults`."""
        return self._section("defaults")

    @property
    def variables(self) -> Mapping[str, str]:
        """What stands under `variables`."""
        return self._section("variables")

    def environments(self) -> tuple[EnvironmentDefinition, ...]:
        """The environments in written order."""
        return tuple(
            build.environment_definition(name, values, position=self.position(("environments", name)))
            for name, values in self._section("environments").items()
            if isinstance(values, dict)
        )

    def written_stages(self) -> tuple[StageDefinition, ...]:
        """The stages in written order with the needs that they write, or that follow from the order."""
        stages = [self._definition(stage) for stage in self.stages]
        written = {stage.name for stage in self.stages if stage.values is not None and "needs" in stage.values}
        if wants_checkout(stages) and CHECKOUT in self.kinds and CHECKOUT not in {stage.name for stage in stages}:
            stages.insert(0, self._implicit_checkout())
        known = {stage.name for stage in stages}
        present = [
            replace(stage, needs=tuple(need for need in stage.needs if need.stage in known or not need.optional))
            for stage in stages
        ]
        return with_implied_needs(present, frozenset(written))

    def definition(self, *, digest: str) -> Definition:
        """The whole; everything that is still in the draft must be right."""
        timeout = self.values.get("timeout")
        return Definition(
            name=self.values.get("name", ""),
            file=self.problems.source.file,
            digest=digest,
            stages=with_source(self.written_stages()),
            environments=self.environments(),
            variables=dict(self.variables),
            fail_fast=self.values.get("fail_fast", False),
            timeout=None if timeout is None else seconds(timeout),
        )

    def position(self, path: Path) -> Position:
        """Where the key at a path stands."""
        entry = entry_at(self.root, path)
        return self.problems.source.position(entry.key.span if entry else self.root.span)

    def _definition(self, stage: StageDraft) -> StageDefinition:
        values = stage.values or {}
        common = frozenset(stage.schema["properties"]) - stage.own if stage.schema else frozenset()
        needs = tuple(dict.fromkeys(build.need(item) for item in values.get("needs", ()) if item is not None))
        return build.stage_definition(
            stage.name,
            build.with_defaults(values, self.defaults, common),
            kind=stage.kind,
            needs=needs,
            own=stage.own,
            position=self.problems.source.position(stage.entry.key.span),
        )

    def _implicit_checkout(self) -> StageDefinition:
        return StageDefinition(name=CHECKOUT, kind=CHECKOUT, position=self.position(("stages",)))


def _drop_from_stage(values: dict[str, Any] | None, path: Path) -> None:
    """A bad need goes alone; without its other needs the stage would stand elsewhere in the order."""
    if values is None:
        return
    needs = values.get("needs")
    if path[0] != "needs" or not isinstance(needs, list):
        values.pop(str(path[0]), None)
        return
    if len(path) > 1 and isinstance(path[1], int) and path[1] < len(needs):
        needs[path[1]] = None
    elif len(path) == 1:
        needs.clear()
