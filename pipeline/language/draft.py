"""A file between text and `Definition`: its values as they were read, each stage by its kind's schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.diagnostic import Position
from pipeline.language import build, rules
from pipeline.language.behind import Behind
from pipeline.language.gates import drop_from_environment
from pipeline.language.graph import CHECKOUT, with_source
from pipeline.language.pending import Pending
from pipeline.language.problems import Problems
from pipeline.language.schema import DEFAULT_KIND, Grammar, Schema
from pipeline.language.tree import Entry, MapNode, Path, Scalar, entry_at, span_at
from pipeline.language.values import Reading, check_name, plain_value
from pipeline.model.definition import Definition, EnvironmentDefinition, MatrixRule, Need, SplitRule, StageDefinition
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
    def needs(self) -> tuple[Need, ...] | None:
        """The needs that it writes; None where it writes none."""
        written = (self.values or {}).get("needs")
        if written is None:
            return None
        return tuple(dict.fromkeys(build.need(item) for item in written if item is not None))

    @property
    def matrix(self) -> MatrixRule | None:
        """Its matrix, as far as it can be understood."""
        values = self.values or {}
        return rules.matrix_rule(values.get("matrix"), values.get("exclude", []))

    @property
    def split(self) -> SplitRule | None:
        """How it is cut into parts."""
        return rules.split_rule((self.values or {}).get("split"))

    @property
    def own(self) -> frozenset[str]:
        """Keys of its kind alone."""
        return frozenset(self.schema["x-own"]) if self.schema else frozenset()


class Draft:
    """All values of a file. Checks take out what cannot be believed, so that the rest can be built and judged."""

    def __init__(
        self,
        root: MapNode,
        kinds: Mapping[str, StageKind],
        problems: Problems,
        *,
        behind: Behind | None = None,
        environments: tuple[EnvironmentDefinition, ...] | None = None,
    ) -> None:
        """`behind`: what the stages of an emitted file stand behind; such a file has stages alone. `environments`:
        those that count instead of the file's own."""
        self._outer = environments if behind is None else behind.environments
        self.elsewhere = behind is None and environments is not None
        self.root = root
        self.behind = behind
        self.kinds = kinds
        self.problems = problems
        self.grammar = Grammar(kinds)
        self.reading = Reading()
        self.schema = self.grammar.file() if behind is None else self.grammar.emitted()
        without_stages = MapNode(
            {key: value for key, value in root.entries.items() if key != "stages"}, root.start, root.end
        )
        self.values: dict[str, Any] = plain_value(without_stages, self.schema, (), self.reading)
        entry = root.entries.get("stages")
        self.stages_entry = entry
        self._schemas: dict[str, Schema] = {}
        written = entry.value.entries if entry and isinstance(entry.value, MapNode) else {}
        names = self.schema["properties"]["stages"]["propertyNames"]
        for name, item in written.items():
            check_name(item, names, ("stages", name), self.reading)
        self.stages = [self._stage(name, item) for name, item in written.items()]

    def _stage(self, name: str, entry: Entry) -> StageDraft:
        node = entry.value
        if isinstance(node, Scalar) and node.plain and not node.text:
            node = MapNode({}, node.start, node.end)
        if not isinstance(node, MapNode):
            return StageDraft(name=name, entry=entry, kind=DEFAULT_KIND, values=None, schema=None)
        written = node.entries.get("kind")
        kind = written.value.text if written and isinstance(written.value, Scalar) else DEFAULT_KIND
        schema = self.grammar.stage(kind) if kind in self.kinds else None
        path: Path = ("stages", name)
        values = plain_value(node, schema or self.grammar.any_stage(), path, self.reading)
        return StageDraft(name=name, entry=entry, kind=kind, values=values, schema=schema)

    def stage_schema(self, kind: str) -> Schema:
        """The schema of a stage of that kind, where what `defaults` gives need not be written."""
        if kind not in self._schemas:
            schema = self.grammar.stage(kind)
            given = frozenset(self.defaults) - frozenset(schema["x-own"])
            required = [key for key in schema.get("required", ()) if key not in given]
            self._schemas[kind] = {**schema, "required": required}
        return self._schemas[kind]

    def drop(self, paths: Iterable[Path]) -> None:
        """Take out the stage or environment key, or the key of the file, that each path is in."""
        stages = {stage.name: stage for stage in self.stages}
        for path in paths:
            if len(path) >= 3 and path[0] == "stages":
                _drop_from_stage(stages[str(path[1])].values, path[2:])
            elif len(path) >= 3 and path[0] == "environments":
                environment = self._section("environments").get(path[1])
                if isinstance(environment, dict):
                    drop_from_environment(environment, path[2:])
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
        """What stands under `variables`; in an emitted file those of the run."""
        return self._section("variables") if self.behind is None else self.behind.variables

    def environments(self) -> tuple[EnvironmentDefinition, ...]:
        """The environments that count: those from elsewhere, in an emitted file those of the run, else as written."""
        return self.written_environments() if self._outer is None else self._outer

    def written_environments(self) -> tuple[EnvironmentDefinition, ...]:
        """The environments of the file, in its order."""
        return tuple(
            build.environment_definition(
                name,
                values,
                position=self.position(("environments", name)),
                pending=self._pending(),
                place=partial(self._place, ("environments", name, "gates")),
            )
            for name, values in self._section("environments").items()
            if isinstance(values, dict)
        )

    def graph(self) -> dict[str, tuple[Need, ...]]:
        """Each stage in order with what it needs: as written, or the one just above; the checkout put first."""
        names = [stage.name for stage in self.stages]
        if self.has_implicit_checkout:
            names.insert(0, CHECKOUT)
        known = frozenset(names)
        written = {stage.name: stage.needs for stage in self.stages}
        graph: dict[str, tuple[Need, ...]] = {}
        above: tuple[Need, ...] = ()
        for name in names:
            needs = written.get(name)
            if needs is None:
                graph[name] = above
            else:
                graph[name] = tuple(need for need in needs if need.stage in known)
            above = (Need(stage=name),)
        return graph

    @property
    def has_implicit_checkout(self) -> bool:
        """Whether a checkout is put first: none is written and somebody wants the source."""
        return (
            CHECKOUT in self.kinds
            and self.behind is None
            and all(stage.kind != CHECKOUT and stage.name != CHECKOUT for stage in self.stages)
            and any(self._sees_source(stage) for stage in self.stages)
        )

    def _sees_source(self, stage: StageDraft) -> bool:
        return bool((stage.values or {}).get("source", self.defaults.get("source", True)))

    def definition(self, graph: Mapping[str, tuple[Need, ...]]) -> Definition:
        """The whole, without its digest; what is still in the draft must be right, and the graph free of circles.

        Stages that see the source need the checkout, at whatever distance; those that do not reach it get an edge.
        """
        timeout = self.values.get("timeout")
        checkout = next((stage.name for stage in self.stages if stage.kind == CHECKOUT), CHECKOUT)
        blind = {stage.name for stage in self.stages if not self._sees_source(stage) or stage.kind == CHECKOUT}
        needs = with_source(graph, checkout=checkout, blind=frozenset(blind)) if checkout in graph else graph
        if self.behind is not None:
            needs = self._with_outer_needs(needs)
        stages = [self._definition(stage, needs[stage.name]) for stage in self.stages]
        if self.has_implicit_checkout:
            stages.insert(0, StageDefinition(name=CHECKOUT, kind=CHECKOUT, position=self.position(("stages",))))
        return Definition(
            name=self.values.get("name", ""),
            file=self.problems.source.file,
            digest="",
            stages=tuple(stages),
            environments=self.environments(),
            variables=dict(self.variables),
            fail_fast=self.values.get("fail_fast", False),
            timeout=None if timeout is None else seconds(timeout),
            triggers=rules.triggers(self.values.get("triggers")),
            concurrency=rules.concurrency_rule(self.values.get("concurrency")),
            notify=tuple(rules.notify_rule(item) for item in self.values.get("notify", ())),
        )

    def _with_outer_needs(self, needs: Mapping[str, tuple[Need, ...]]) -> Mapping[str, tuple[Need, ...]]:
        """The needs of emitted stages with those of stages that are there already."""
        before = {stage.name for stage in self.behind.stages} if self.behind else set()
        written = {stage.name: stage.needs or () for stage in self.stages}
        return {
            name: tuple(need for need in written[name] if need in inner or need.stage in before)
            for name, inner in needs.items()
        }

    def _pending(self) -> Pending:
        return Pending(self.problems.source.position)

    def position(self, path: Path) -> Position:
        """Where the key at a path stands."""
        entry = entry_at(self.root, path)
        return self.problems.source.position(entry.key.span if entry else self.root.span)

    def _place(self, path: Path, below: Path) -> Position:
        """Where the value stands that is `below` another one."""
        return self.problems.source.position(span_at(self.root, (*path, *below)))

    def _definition(self, stage: StageDraft, needs: tuple[Need, ...]) -> StageDefinition:
        common = frozenset(stage.schema["properties"]) - stage.own if stage.schema else frozenset()
        return build.stage_definition(
            stage.name,
            build.with_defaults(stage.values or {}, self.defaults, common),
            kind=stage.kind,
            needs=needs,
            own=stage.own,
            position=self.problems.source.position(stage.entry.key.span),
            pending=self._pending(),
        )


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
