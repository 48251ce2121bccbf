"""Answers of gates and the words in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

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
    WindowRule,
)

_KINDS: Final = {
    EvidenceRule: "evidence",
    SoakRule: "soaked",
    ApprovalRule: "approvals",
    WindowRule: "window",
    CommandRule: "check",
    HttpRule: "check",
    DependencyRule: "requires",
}


def passed(gate: GateDefinition | str, reason: str) -> GateAnswer:
    """It is open. A text is the name of an implicit gate."""
    return _answer(gate, GateState.PASSED, reason, None)


def waiting(gate: GateDefinition | str, reason: str, opens: datetime | None = None) -> GateAnswer:
    """Time or people can open it."""
    return _answer(gate, GateState.WAITING, reason, opens)


def failed(gate: GateDefinition | str, reason: str) -> GateAnswer:
    """It does not open for this promotion as it was planned."""
    return _answer(gate, GateState.FAILED, reason, None)


def listed(words: Sequence[str], *, most: int = 5) -> str:
    """`a, b and 3 more`."""
    names = list(words)
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return ", ".join(names)


def spoken(time: datetime) -> str:
    """`2026-11-30 08:00 UTC`."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _answer(gate: GateDefinition | str, state: GateState, reason: str, opens: datetime | None) -> GateAnswer:
    if isinstance(gate, str):
        return GateAnswer(gate=gate, kind=gate, state=state, reason=reason, opens=opens)
    return GateAnswer(gate=gate.name, kind=_KINDS[type(gate.rule)], state=state, reason=reason, opens=opens)
