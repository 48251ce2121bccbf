"""A written stage to the stages of the plan: what its cells share is worked out once, the rest cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import UsageError
from pipeline.model.definition import MatrixRule, Need, StageDefinition
from pipeline.model.plan import Condition, PlannedStage
from pipeline.model.source import Changes, Event
from pipeline.model.template import Expr, has_expression
from pipeline.model.tree import Tree
from pipeline.planning.cells import Graph, Member, own_cell, rule_of_cells
from pipeline.planning.conditions import judge
from pipeline.planning.evaluation import Evaluation, is_late
from pipeline.planning.splitting import no_share, part_variables, shared_files, shares
from pipeline.planning.typed import wrong
from pipeline.planning.values import Resolver, expressions_in, fields_of, keys_with_expressions, pieces_of
from pipeline.ports.stage import StageKind

_OWN_FACTS = ("matrix", "environment")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Family:
    """What all members of a written stage have in common."""

    stage: StageDefinition
    """With all values resolved that are the same in each member."""
    fields: Mapping[str, Any]
    effects: bool
    keys: tuple[str, ...]
    """The keys that have to be resolved member by member."""
    rule: MatrixRule | None
    needs: tuple[Need, ...] | None
    parts: tuple[tuple[str, ...], ...]
    """The files of each part of a split; none where none are shared."""
    conditions: tuple[Condition, ...] | None
    """None where they have to be judged member by member."""
    deferred: bool
    """Whether what is the same in each member has to be resolved once more during the run."""


class Families:
    """Plans written stages, each with all of its cells, in an order in which each comes after its needs."""

    def __init__(
        self,
        *,
        event: Event,
        kinds: Mapping[str, StageKind],
        evaluation: Evaluation,
        tree: Tree | None,
        timings: Callable[[str], Mapping[str, float]] | None,
        changes: Callable[[str], Changes] | None,
    ) -> None:
        self._event = event
        self._kinds = kinds
        self._evaluation = evaluation
        self._tree = tree
        self._timings = timings
        self._changes = changes

    def planned(self, stage: StageDefinition, graph: Graph) -> Iterator[PlannedStage]:
        """The stages that a written one becomes. DefinitionError at its place for what cannot be."""
        members = graph.put(stage)
        try:
            family = self._family(stage, graph, len(members))
            for member in members:
                yield self._member(family, member, graph)
        except UsageError as error:
            raise wrong(f"in stage '{stage.name}': {error.message}", stage.position, note=error.hint) from error

    def _family(self, stage: StageDefinition, graph: Graph, count: int) -> _Family:
        effects = self._kinds[stage.kind].effects
        keys = keys_with_expressions(stage)
        resolver = Resolver(self._evaluation, late=False)
        if count > 1:
            shared = tuple(key for key in keys if not self._is_own(getattr(stage, key)))
            stage = resolver.shared(stage, shared)
            keys = tuple(key for key in keys if key not in shared)
        conditions = None
        if "when" not in keys and not self._differs(stage):
            conditions = judge(
                stage, self._event, effects=effects, evaluation=self._evaluation, late=False, changes=self._changes
            )
        return _Family(
            stage=stage,
            fields=fields_of(stage),
            effects=effects,
            keys=keys,
            rule=rule_of_cells(stage),
            needs=graph.shared_needs(stage, count),
            parts=self._parts(stage),
            conditions=conditions,
            deferred=resolver.deferred,
        )

    def _is_own(self, value: object) -> bool:
        """Whether an expression in a value can give something else in each member, or is for the run."""
        names = (
            name
            for text in expressions_in(value)
            for piece in pieces_of(text)
            if isinstance(piece, Expr)
            for name in self._evaluation.names(piece.text)
        )
        return any(is_late(name) or name.split(".", 1)[0] in _OWN_FACTS for name in names)

    def _differs(self, stage: StageDefinition) -> bool:
        """Whether the members of a stage can see different values in their conditions."""
        if stage.when.changed:
            return True
        names = self._evaluation.names(stage.when.expression) if stage.when.expression else ()
        return any(name.split(".", 1)[0] in _OWN_FACTS for name in names)

    def _parts(self, stage: StageDefinition) -> tuple[tuple[str, ...], ...]:
        rule = stage.split
        if rule is None:
            return ()
        files = shared_files(stage, rule, self._tree)
        if not files:
            return ()
        known = self._timings(stage.name) if self._timings and rule.by == "timing" else {}
        return shares(files, rule.into, {path: known[path] for path in files if path in known})

    def _member(self, family: _Family, member: Member, graph: Graph) -> PlannedStage:
        stage = family.stage
        evaluation = self._own_evaluation(stage, member)
        resolver = Resolver(evaluation, late=False)
        needs = family.needs if family.needs is not None else graph.own_needs(stage, resolver)
        resolved = resolver.filled(family.fields, family.keys, {**own_cell(stage, member, family.rule), "needs": needs})
        conditions = family.conditions
        if conditions is None:
            conditions = judge(
                resolved,
                self._event,
                effects=family.effects,
                evaluation=evaluation,
                late=False,
                changes=self._changes,
            )
        if member.part:
            resolved, conditions = _as_part(resolved, conditions, member.part, family.parts)
        deferred = family.deferred or resolver.deferred or any(condition.holds is None for condition in conditions)
        return PlannedStage(stage=resolved, conditions=conditions, deferred=deferred)

    def _own_evaluation(self, stage: StageDefinition, member: Member) -> Evaluation:
        environment = stage.options.get("environment")
        if not member.cell and not isinstance(environment, str):
            return self._evaluation
        shared = self._evaluation
        own = Evaluation(
            expressions=shared.expressions,
            facts=shared.facts,
            digest=shared.digest,
            cell=member.cell,
            memory=shared.memory,
        )
        if not isinstance(environment, str):
            return own
        named = Resolver(own, late=False).text(environment)
        return own if has_expression(named) else replace(own, environment=named)


def _as_part(
    stage: StageDefinition, conditions: tuple[Condition, ...], part: int, parts: Sequence[Sequence[str]]
) -> tuple[StageDefinition, tuple[Condition, ...]]:
    """A part with its variables; skipped where files are shared out and none fell to it."""
    if stage.split is None:
        return stage, conditions
    files = parts[part - 1] if parts else ()
    env = {**stage.env, **part_variables(stage, part, stage.split, files)}
    if parts and not files:
        conditions = (*conditions, no_share(sum(len(item) for item in parts)))
    return replace(stage, env=env), conditions
