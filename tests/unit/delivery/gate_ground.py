"""What tests of gates start from: a release, an environment, a policy, and facts that can be varied."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.delivery.gates import evaluate
from pipeline.diagnostic import Position
from pipeline.model.decision import Answer, Approval, Block, BlockKind
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import GateAnswer, GateDefinition, GateRule, Verdict
from pipeline.model.gate_facts import GateFacts, LiveInterval, RunEvidence, StageEvidence
from pipeline.model.policy import Person, Policy, Right
from pipeline.model.release import Release
from pipeline.model.status import Conclusion

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
"""A Friday."""
HOUR = timedelta(hours=1)
POSITION = Position(file="policy.yml", line=1, column=1)
RELEASE = Release(
    repository="git@example.org:shop.git",
    commit="4f1c0de1a2b3",
    images={"image": "registry.example.org/shop@sha256:" + "a" * 64},
    pipeline_digest="sha256:p",
    name="41-4f1c0de",
    run="01run",
    dirty=False,
    created=NOW - 48 * HOUR,
)
POLICY = Policy(
    revision="sha256:policy",
    file="policy.yml",
    people={name: Person(name=name, git=(f"{name}@example.org",)) for name in ("anna", "bob", "cy", "dan")},
    groups={"release-managers": ("anna", "bob", "cy"), "pair": ("anna", "bob"), "operators": ("dan",)},
    rights={Right.OVERRIDE: ("operators",), Right.ROLLBACK: ("operators",)},
)
STAGES = (
    StageEvidence(stage="unit", kind="test", conclusion=Conclusion.SUCCEEDED, tests=12),
    StageEvidence(stage="scan", kind="scan", conclusion=Conclusion.SUCCEEDED),
)


def run(*stages: StageEvidence, **changes: Any) -> RunEvidence:
    """A run that succeeded with these stages, or with a test stage and a scan."""
    fields = {"run": "01run", "number": 41, "done": True, "conclusion": Conclusion.SUCCEEDED}
    return RunEvidence(**{**fields, "stages": stages or STAGES, **changes})


def live(environment: str, start: float, end: float | None = None, **changes: Any) -> LiveInterval:
    """Live from so many hours ago until so many hours ago."""
    ended = None if end is None else NOW - end * HOUR
    return LiveInterval(environment=environment, start=NOW - start * HOUR, end=ended, **changes)


def approval(person: str, *, plan: str = "plan", ago: float = 1, **changes: Any) -> Approval:
    """Signed, so many hours ago."""
    fields: dict[str, Any] = {"answer": Answer.APPROVE, "reason": "", "proof": "{}", **changes}
    return Approval(id=f"{person}-{ago}", promotion="p", plan=plan, person=person, time=NOW - ago * HOUR, **fields)


def block(kind: BlockKind, **changes: Any) -> Block:
    """By anna, for prod."""
    fields = {"repository": RELEASE.repository, "environment": "prod", "owner": "anna", "reason": "stock-taking"}
    return Block(id="01block", kind=kind, created=NOW - HOUR, **{**fields, **changes})


def environment(*rules: GateRule, **changes: Any) -> EnvironmentDefinition:
    """`prod` after `staging`."""
    gates = tuple(GateDefinition(name=f"g{n}", rule=rule, position=POSITION) for n, rule in enumerate(rules))
    fields = {"name": "prod", "position": POSITION, "after": ("staging",), "gates": gates}
    return EnvironmentDefinition(**{**fields, **changes})


def facts(**changes: Any) -> GateFacts:
    """Everything that is not looked at is in order."""
    fields = {
        "policy": POLICY,
        "plan": "plan",
        "requester": "dan",
        "evidence": run(),
        "intervals": (live("staging", 30),),
    }
    return GateFacts(**{**fields, **changes})


def judge(place: EnvironmentDefinition, known: GateFacts, release: Release = RELEASE) -> Verdict:
    """The verdict of now."""
    return evaluate(release, place, known, NOW)


def only(verdict: Verdict, gate: str = "g0") -> GateAnswer:
    """The answer of one gate."""
    (answer,) = [item for item in verdict.answers if item.gate == gate]
    return answer
