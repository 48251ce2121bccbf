"""The one predicate: may this release enter this environment now, and if not, what is missing and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pipeline.delivery.approvals import approved
from pipeline.delivery.case import Case
from pipeline.delivery.entry import entry_answers, may_override, way_back_answers
from pipeline.delivery.evidence import proven
from pipeline.delivery.opening import combined_opening
from pipeline.delivery.soaking import soaked
from pipeline.delivery.windows import in_window
from pipeline.delivery.witnesses import checked, depends
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import (
    ApprovalRule,
    CommandRule,
    DependencyRule,
    EvidenceRule,
    GateAnswer,
    GateDefinition,
    GateState,
    HttpRule,
    SoakRule,
    Verdict,
    WindowRule,
)
from pipeline.model.gate_facts import GateFacts
from pipeline.model.release import PromotionKind, Release

Judge = Callable[[GateDefinition, Any, Case], GateAnswer]

GATES: Final[Mapping[type, Judge]] = {
    EvidenceRule: proven,
    SoakRule: soaked,
    ApprovalRule: approved,
    WindowRule: in_window,
    CommandRule: checked,
    HttpRule: checked,
    DependencyRule: depends,
}
"""Each kind of rule to what judges it."""


def evaluate(release: Release, environment: EnvironmentDefinition, facts: GateFacts, now: datetime) -> Verdict:
    """Every gate's answer, the implicit ones first: who may ask, uncommitted changes, the run, `after`, blocks.

    A rollback (and a restore) has to go to a release that was verified there, by somebody with the right, past its
    bars; it asks for nothing else. An override counts where its person has the right to it, and never lets
    uncommitted changes in.
    """
    case = Case(release=release, environment=environment, facts=facts, now=now)
    answers = tuple(_answers(case))
    override = None
    if facts.override is not None and any(item.state is not GateState.PASSED for item in answers):
        refusal = may_override(case)
        if refusal is None:
            override = facts.override
        else:
            answers = (*answers, refusal)
    return Verdict(
        answers=answers,
        time=now,
        policy=facts.policy.revision,
        override=override,
        opens=combined_opening(answers, environment.gates, now),
    )


def _answers(case: Case) -> Iterator[GateAnswer]:
    if case.facts.kind is not PromotionKind.PROMOTE:
        yield from way_back_answers(case)
        return
    yield from entry_answers(case)
    for gate in case.environment.gates:
        yield GATES[type(gate.rule)](gate, gate.rule, case)
