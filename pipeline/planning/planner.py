"""Definition and event to plan: order, cells, conditions, resolved values. Pure; `planning.reuse` adds the keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from pipeline.diagnostic import Position
from pipeline.errors import UsageError
from pipeline.model.definition import Definition, EnvironmentDefinition, StageDefinition
from pipeline.model.facts import source_facts
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.source import Changes, Event, Source
from pipeline.model.tree import Tree
from pipeline.planning.cells import Graph
from pipeline.planning.conditions import judge
from pipeline.planning.evaluation import Evaluation, Facts, Memory
from pipeline.planning.families import Families
from pipeline.planning.order import in_order
from pipeline.planning.typed import wrong
from pipeline.planning.values import Resolver, keys_with_expressions
from pipeline.ports.expressions import Expressions
from pipeline.ports.stage import StageKind

Result = TypeVar("Result")


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
    environments: tuple[EnvironmentDefinition, ...] | None = None,
) -> Plan:
    """Decide all that can be decided before the run.

    `environments`: those that count, resolved; None = the definition's own.

    `tree` is asked only where the file calls `hash` or splits a stage, `timings` (seconds of each test file of a
    stage as it is written) only for a split by timing, `changes` (of a stage of the plan) only for `when.changed`.

    Raises UsageError for a variable that the file does not have, DefinitionError for what only planning can see:
    expressions that fail or give something else than their place wants, too many stages.
    """
    variables = _variables(definition, overrides)
    evaluation = _evaluation(event, source, variables, expressions, tree)
    families = Families(event=event, kinds=kinds, evaluation=evaluation, tree=tree, timings=timings, changes=changes)
    graph = Graph()
    stages = [planned for stage in in_order(definition.stages) for planned in families.planned(stage, graph)]
    resolver = Resolver(evaluation, late=True)
    top = Position(file=definition.file, line=1, column=1)
    return Plan(
        name=definition.name,
        pipeline_digest=definition.digest,
        event=event,
        source=source,
        variables=variables,
        stages=tuple(stages),
        environments=(
            tuple(_environment(item, evaluation) for item in definition.environments)
            if environments is None
            else environments
        ),
        fail_fast=definition.fail_fast,
        timeout=definition.timeout,
        concurrency=_at(top, "concurrency", lambda: resolver.group(definition.concurrency)),
        notify=_at(top, "notify", lambda: tuple(resolver.notified(rule) for rule in definition.notify)),
    )


def plan_emitted(
    before: Plan,
    stages: Sequence[StageDefinition],
    *,
    kinds: Mapping[str, StageKind],
    expressions: Expressions,
    tree: Tree | None = None,
    timings: Callable[[str], Mapping[str, float]] | None = None,
    changes: Callable[[str], Changes] | None = None,
) -> tuple[PlannedStage, ...]:
    """Stages that one of a plan emitted, planned behind it with the same event, source and variables.

    DefinitionError as in `plan`, also where the whole would have too many stages.
    """
    evaluation = _evaluation(before.event, before.source, before.variables, expressions, tree)
    families = Families(
        event=before.event, kinds=kinds, evaluation=evaluation, tree=tree, timings=timings, changes=changes
    )
    graph = Graph(planned.stage for planned in before.stages)
    return tuple([planned for stage in in_order(stages) for planned in families.planned(stage, graph)])


def resolved_environments(
    definition: Definition,
    *,
    event: Event,
    source: Source,
    overrides: Mapping[str, str],
    expressions: Expressions,
    tree: Tree | None = None,
) -> tuple[EnvironmentDefinition, ...]:
    """The environments of a file alone, as `plan` would have them. Raises as `plan`."""
    evaluation = _evaluation(event, source, _variables(definition, overrides), expressions, tree)
    return tuple(_environment(item, evaluation) for item in definition.environments)


def resolver_of(
    plan_event: Event, kinds: Mapping[str, StageKind], expressions: Expressions
) -> Callable[[PlannedStage, Facts], PlannedStage]:
    """What the engine calls for a deferred stage once the facts of the run are there."""

    def resolve(planned: PlannedStage, facts: Facts) -> PlannedStage:
        stage = planned.stage
        evaluation = Evaluation(expressions=expressions, facts=facts, cell=stage.cell)
        if isinstance(environment := stage.options.get("environment"), str):
            evaluation = replace(evaluation, environment=Resolver(evaluation, late=True).text(environment))
        conditions = judge(
            stage, plan_event, effects=kinds[stage.kind].effects, evaluation=evaluation, late=True, changes=None
        )
        # what changed and which files there are is not asked again: the plan knows it
        kept = {condition.key: condition for condition in planned.conditions if condition.key in ("changed", "split")}
        conditions = tuple(kept.pop(condition.key, condition) for condition in conditions)
        resolved = Resolver(evaluation, late=True).stage(stage, keys_with_expressions(stage))
        return replace(planned, stage=resolved, conditions=(*conditions, *kept.values()), deferred=False)

    return resolve


def _evaluation(
    event: Event, source: Source, variables: Mapping[str, str], expressions: Expressions, tree: Tree | None
) -> Evaluation:
    facts = source_facts(event, source, variables)
    return Evaluation(
        expressions=expressions, facts=lambda _names: facts, digest=tree.digest if tree else None, memory=Memory()
    )


def _environment(environment: EnvironmentDefinition, evaluation: Evaluation) -> EnvironmentDefinition:
    resolver = Resolver(replace(evaluation, environment=environment.name), late=True)
    subject = f"environment '{environment.name}'"
    return _at(environment.position, subject, lambda: resolver.environment(environment))


def _at(position: Position, subject: str, work: Callable[[], Result]) -> Result:
    try:
        return work()
    except UsageError as error:
        raise wrong(f"{subject}: {error.message}", position, note=error.hint) from error


def _variables(definition: Definition, overrides: Mapping[str, str]) -> Mapping[str, str]:
    for name in overrides:
        if name not in definition.variables:
            known = ", ".join(definition.variables) or "none"
            raise UsageError(
                f"--var {name}: {definition.file} has no variable '{name}'", hint=f"variables there: {known}"
            )
    return {**definition.variables, **overrides}
