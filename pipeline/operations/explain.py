"""Why a stage of a run ended as it did, or waits: everything that decided it, with the values that were seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.model.definition import EdgeRule, RetryRule, RunRule
from pipeline.model.plan import Condition, Earlier, Plan, PlannedStage
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import Conclusion, StageState
from pipeline.model.value import Value
from pipeline.ports.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class NeedSeen:
    """One edge of a stage: what it demands, how the other stage stands, and whether that satisfies the edge."""

    stage: str
    rule: EdgeRule
    state: StageState
    conclusion: Conclusion | None
    reason: str
    satisfied: bool | None
    """None while the other stage is not done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptSeen:
    """One try, and why another one followed."""

    number: int
    started: datetime
    seconds: float | None
    conclusion: Conclusion | None
    reason: str
    again: str = ""
    """Which rule let it be tried again; "" where it was not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReuseSeen:
    """Whether an earlier result served, and if not, why."""

    run: str = ""
    """The run whose result served."""
    key: str = ""
    """The digest of all that the stage could see; "" for what is never reused or was not known before the run."""
    earlier: Earlier | None = None
    asked: bool = True
    """Whether the stage's `reuse` or `inputs` asks for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """One stage of one run."""

    run: Run
    stage: StageRun
    run_rule: RunRule
    manual: bool
    conditions: tuple[Condition, ...]
    needs: tuple[NeedSeen, ...]
    blockers: tuple[tuple[str, ...], ...]
    """Ways from this stage to what did not succeed, at any distance: `(deploy, report, unit)`."""
    waits_for: tuple[str, ...]
    """Needed stages that are not done, while this one waits."""
    reuse: ReuseSeen
    attempts: tuple[AttemptSeen, ...]
    timeout: float
    """Seconds."""
    has_own_timeout: bool
    """Whether the file says it; else it is the machine's."""
    allow_failure: bool


def explain(records: Records, run: Run, stages: Sequence[StageRun], *, default_timeout: float) -> Sequence[Explanation]:
    """These stages of a run; `default_timeout` is the machine's. Raises RecordsError."""
    plan = _plan(records.plan(run.id))
    planned = {item.stage.name: item for item in plan.stages} if plan else {}
    runs = {stage.name: stage for stage in run.stages}
    return [_explained(run, stage, planned, runs, default_timeout) for stage in stages]


def _plan(stored: Mapping[str, Value]) -> Plan | None:
    """The plan; None for one that an earlier version stored and this one cannot read."""
    try:
        return Plan.from_json(stored)
    except ValueError:
        return None


def _explained(
    run: Run,
    stage: StageRun,
    planned: Mapping[str, PlannedStage],
    runs: Mapping[str, StageRun],
    default_timeout: float,
) -> Explanation:
    plan = planned.get(stage.name)
    definition = plan.stage if plan else None
    needs = tuple(_need(need.stage, need.rule, runs) for need in definition.needs) if definition else ()
    return Explanation(
        run=run,
        stage=stage,
        run_rule=definition.when.run if definition else RunRule.ON_SUCCESS,
        manual=definition.when.manual if definition else False,
        conditions=tuple(_settled(item, stage) for item in plan.conditions) if plan else (),
        needs=tuple(need for need in needs if need is not None),
        blockers=_blockers(stage.name, planned, runs) if stage.conclusion is Conclusion.BLOCKED else (),
        waits_for=_waits_for(stage, plan, runs),
        reuse=ReuseSeen(
            run=stage.reused,
            key=(plan.reuse_key or "") if plan else "",
            earlier=plan.earlier if plan else None,
            asked=definition is None or definition.reuse or bool(definition.inputs),
        ),
        attempts=_attempts(stage, definition.retry if definition else None),
        timeout=(definition.timeout if definition else None) or default_timeout,
        has_own_timeout=definition is not None and definition.timeout is not None,
        allow_failure=definition.allow_failure if definition else False,
    )


def _settled(condition: Condition, stage: StageRun) -> Condition:
    """A condition that was open in the plan, as the run decided it: the reason of a skipped stage says what it saw."""
    if condition.holds is not None or stage.outcome is None:
        return condition
    start, end = f"when: {condition.key} is ", f", wants {condition.wanted}"
    reason = stage.outcome.reason
    if stage.conclusion is Conclusion.SKIPPED and reason.startswith(start) and reason.endswith(end):
        return replace(condition, seen=reason[len(start) : -len(end)], holds=False)
    return replace(condition, seen="true", holds=True) if stage.attempts else condition


def _need(name: str, rule: EdgeRule, runs: Mapping[str, StageRun]) -> NeedSeen | None:
    other = runs.get(name)
    if other is None:
        return None
    return NeedSeen(
        stage=name,
        rule=rule,
        state=other.state,
        conclusion=other.conclusion,
        reason=other.outcome.reason if other.outcome else "",
        satisfied=None if other.conclusion is None else _satisfies(rule, other.conclusion),
    )


def _satisfies(rule: EdgeRule, conclusion: Conclusion) -> bool:
    match rule:
        case EdgeRule.DEFAULT | EdgeRule.SUCCEEDED:
            return conclusion.satisfies
        case EdgeRule.FAILED:
            return conclusion.went_wrong
        case EdgeRule.FINISHED:
            return True


def _blockers(
    name: str, planned: Mapping[str, PlannedStage], runs: Mapping[str, StageRun]
) -> tuple[tuple[str, ...], ...]:
    """The shortest way to each stage that did not succeed by itself, along edges whose rule is the usual one."""
    found: dict[str, tuple[str, ...]] = {}
    ways: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    for way in ways:
        plan = planned.get(way[-1])
        for need in plan.stage.needs if plan else ():
            other = runs.get(need.stage)
            if other is None or other.name in seen or need.rule is not EdgeRule.DEFAULT:
                continue
            seen.add(other.name)
            further = (*way, other.name)
            conclusion = other.conclusion
            if conclusion is not None and not conclusion.satisfies and conclusion is not Conclusion.BLOCKED:
                found[other.name] = further
            else:
                ways.append(further)
    return tuple(found.values())


def _waits_for(stage: StageRun, plan: PlannedStage | None, runs: Mapping[str, StageRun]) -> tuple[str, ...]:
    if stage.conclusion is not None or plan is None or stage.state is not StageState.WAITING:
        return ()
    names = (need.stage for need in plan.stage.needs)
    return tuple(name for name in names if name in runs and runs[name].conclusion is None)


def _attempts(stage: StageRun, rule: RetryRule | None) -> tuple[AttemptSeen, ...]:
    last = len(stage.attempts) - 1
    return tuple(
        _attempt(attempt, _again(attempt, rule) if index < last else "") for index, attempt in enumerate(stage.attempts)
    )


def _attempt(attempt: Attempt, again: str) -> AttemptSeen:
    seconds = (attempt.finished - attempt.started).total_seconds() if attempt.finished else None
    return AttemptSeen(
        number=attempt.number,
        started=attempt.started,
        seconds=seconds,
        conclusion=attempt.outcome.conclusion if attempt.outcome else None,
        reason=attempt.outcome.reason if attempt.outcome else "",
        again=again,
    )


def _again(attempt: Attempt, rule: RetryRule | None) -> str:
    """Why another attempt followed: the word of the file's own rule, the usual patience, or a person."""
    outcome = attempt.outcome
    if outcome is None:
        return ""
    if rule is None:
        usual = outcome.conclusion is Conclusion.ERRORED and outcome.transient
        return "errored in a way that may pass" if usual else "asked for by `ecluse retry` or `ecluse resume`"
    words = [word for word in rule.on if word in (outcome.conclusion.value, outcome.reason)]
    words = words or [word for word in rule.on if word.startswith("log:")]
    return f"retry: on '{words[0]}', at most {rule.max} more" if words else "asked for by a person"
