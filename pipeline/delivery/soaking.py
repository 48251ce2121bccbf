"""The gate `soaked`: the release has been live and verified elsewhere for long enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pipeline.delivery.case import Case
from pipeline.delivery.saying import passed, spoken, waiting
from pipeline.model.duration import spell_duration
from pipeline.model.gate import GateAnswer, GateDefinition, SoakRule
from pipeline.model.gate_facts import LiveInterval


def soaked(
    gate: GateDefinition,
    rule: SoakRule,
    case: Case,
) -> GateAnswer:
    """The times in which it was live count together, from its last return after a rollback away from it."""
    release, now = case.release, case.now
    intervals = counted(case.facts.intervals, rule.environment)
    wanted = spell_duration(rule.seconds)
    if not intervals:
        return waiting(gate, f"{release.name} has to be live in {rule.environment} for {wanted}, and is not")
    total = sum(max(((item.end or now) - item.start).total_seconds(), 0.0) for item in intervals)
    if total >= rule.seconds:
        return passed(gate, f"live in {rule.environment} for {spell_duration(total)}, {wanted} are asked for")
    so_far = f"live in {rule.environment} for {spell_duration(total)} of {wanted}"
    if intervals[-1].end is not None:
        return waiting(gate, f"{so_far}, and not live there any more")
    opens = now + timedelta(seconds=rule.seconds - total)
    return waiting(gate, f"{so_far}, until {spoken(opens)}", opens)


def counted(intervals: Sequence[LiveInterval], environment: str) -> list[LiveInterval]:
    """Those of one environment that count, oldest first: what came before a rollback away does not."""
    found: list[LiveInterval] = []
    for item in sorted((item for item in intervals if item.environment == environment), key=lambda item: item.start):
        found.append(item)
        if item.rolled_back:
            found.clear()
    return found
