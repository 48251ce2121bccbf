"""Definition and event to plan: order, conditions, resolved values. Pure; `planning.reuse` adds the keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pipeline.errors import UsageError
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.facts import source_facts
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.source import Changes, Event, Source
from pipeline.model.tree import Tree
from pipeline.model.value import Value
from pipeline.planning.conditions import judge
from pipeline.planning.values import Resolver
from pipeline.ports.expressions import Expressions
from pipeline.ports.stage import StageKind

Facts = Callable[[frozenset[str]], Mapping[str, Value]]


def plan(
    definition: Definition,
    *,
    event: Event,
    source: Source,
    overrides: Mapping[str, str],
    kinds: Mapping[str, StageKind],
    expressions: Expressions,
    tree: Tree | None = None,
    timings: Callable[[str], Mapping[str, float]] | None = None,
    changes: Callable[[str], Changes] | None = None,
) -> Plan:
    """Decide all that can be decided before the run. Raises UsageError for a variable that the file does not have."""
    variables = _variables(definition, overrides)
    facts = source_facts(event, source, variables)
    stages: list[PlannedStage] = []
    for stage in in_order(definition.stages):
        stages.append(_plan_stage(stage, kinds[stage.kind], event, source, facts, expressions, changes))
    resolver = Resolver(expressions, lambda _names: facts, late=True)
    return Plan(
        name=definition.name,
        pipeline_digest=definition.digest,
        event=event,
        source=source,
        variables=variables,
        stages=tuple(stages),
        environments=tuple(resolver.environment(item) for item in definition.environments),
        fail_fast=definition.fail_fast,
        timeout=definition.timeout,
    )


def resolver_of(
    plan_event: Event, kinds: Mapping[str, StageKind], expressions: Expressions
) -> Callable[[PlannedStage, Facts], PlannedStage]:
    """What the engine calls for a deferred stage once the facts of the run are there."""

    def resolve(planned: PlannedStage, facts: Facts) -> PlannedStage:
        conditions = judge(
            planned.stage,
            plan_event,
            effects=kinds[planned.stage.kind].effects,
            expressions=expressions,
            facts=facts,
            late=True,
        )
        # what changed is not asked again: the plan's answer has the stage's own base
        seen = {condition.key: condition for condition in planned.conditions if condition.key == "changed"}
        conditions = tuple(seen.get(condition.key, condition) for condition in conditions)
        stage = Resolver(expressions, facts, late=True).stage(planned.stage)
        return replace(planned, stage=stage, conditions=conditions, deferred=False)

    return resolve


def in_order(stages: tuple[StageDefinition, ...]) -> tuple[StageDefinition, ...]:
    """Stages so that each comes after its needs; as written where both orders would do.

    Optional needs of stages that do not exist are dropped. The language has refused cycles.
    """
    known = {stage.name: stage for stage in stages}
    placed: dict[str, StageDefinition] = {}
    path: list[StageDefinition] = []
    for first in stages:
        path.append(first)
        while path:
            stage = path[-1]
            if stage.name in placed:
                path.pop()
                continue
            waiting = [known[need.stage] for need in stage.needs if need.stage in known and need.stage not in placed]
            if waiting:
                path.append(waiting[0])
                continue
            needs = tuple(need for need in stage.needs if need.stage in known)
            placed[stage.name] = replace(stage, needs=needs) if len(needs) != len(stage.needs) else stage
            path.pop()
    return tuple(placed.values())


def _plan_stage(
    stage: StageDefinition,
    kind: StageKind,
    event: Event,
    source: Source,
    facts: Mapping[str, Value],
    expressions: Expressions,
    changes: Callable[[str], Changes] | None,
) -> PlannedStage:
    resolver = Resolver(expressions, lambda _names: facts, late=False)
    resolved = resolver.stage(stage)
    conditions = judge(
        resolved,
        event,
        effects=kind.effects,
        expressions=expressions,
        facts=lambda _names: facts,
        late=False,
        changes=changes,
    )
    deferred = resolver.deferred or any(condition.holds is None for condition in conditions)
    return PlannedStage(stage=resolved, conditions=conditions, deferred=deferred)


def _variables(definition: Definition, overrides: Mapping[str, str]) -> Mapping[str, str]:
    for name in overrides:
        if name not in definition.variables:
            known = ", ".join(definition.variables) or "none"
            raise UsageError(
                f"--var {name}: {definition.file} has no variable '{name}'", hint=f"variables there: {known}"
            )
    return {**definition.variables, **overrides}
