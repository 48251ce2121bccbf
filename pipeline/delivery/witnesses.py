"""The gates `check` and `requires`: what others say, as it was gathered."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from pipeline.delivery.case import Case
from pipeline.delivery.saying import listed, passed, spoken, waiting
from pipeline.model.duration import spell_duration
from pipeline.model.gate import CommandRule, DependencyRule, GateAnswer, GateDefinition, HttpRule

GOOD_FOR: Final = 300.0
"""Seconds for which the answer of a check is believed."""


def checked(
    gate: GateDefinition,
    rule: CommandRule | HttpRule,
    case: Case,
) -> GateAnswer:
    """A no can become a yes by the next time it is asked; no answer, an old one or an error is a no."""
    answer = case.facts.checks.get(gate.name)
    if answer is None:
        return waiting(gate, "it has not been asked yet")
    age = (case.now - answer.time).total_seconds()
    if answer.error:
        return waiting(gate, f"it could not be asked at {spoken(answer.time)}: {answer.detail}")
    if not answer.passed:
        return waiting(gate, f"it said no at {spoken(answer.time)}: {answer.detail}")
    if age > GOOD_FOR:
        return waiting(gate, f"its yes is {spell_duration(age)} old: it has to be asked again")
    if isinstance(rule, CommandRule) and answer.revision != case.facts.policy.revision:
        return waiting(gate, "its script has changed since: it has to be asked again")
    return passed(gate, answer.detail or "it said yes")


def depends(
    gate: GateDefinition,
    rule: DependencyRule,
    case: Case,
) -> GateAnswer:
    """Another service is live and verified, in the release that is asked for."""
    place = rule.environment or case.environment.name
    live = [item for item in case.facts.services if item.service == rule.service and item.environment == place]
    fitting = [item for item in live if fnmatchcase(item.release, rule.release)]
    if fitting:
        return passed(gate, f"{rule.service} {fitting[0].release} is live in {place}")
    wanted = f"{rule.service} {rule.release}" if rule.release != "*" else rule.service
    seen = f"it has {listed([item.release for item in live])}" if live else "nothing of it is"
    return waiting(gate, f"needs {wanted} live in {place}; {seen}")
