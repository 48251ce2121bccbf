"""How a piece of work ended: a conclusion, a reason that a person can act on, and what it did outside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.status import Conclusion


class Effect(StrEnum):
    """What a failure did to an environment; decides between the exit codes 1, 4 and 5."""

    NONE = "none"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A conclusion with its reason (one line, e.g. `exit 2`, `3 tests failed`, `image x:y not found`).

    `hint` says what to do next; `transient` marks an `errored` outcome that may pass when tried again.
    """

    conclusion: Conclusion
    reason: str
    hint: str = ""
    effect: Effect = Effect.NONE
    transient: bool = False


def succeeded(reason: str = "exit 0") -> Outcome:
    """Did what was asked."""
    return Outcome(conclusion=Conclusion.SUCCEEDED, reason=reason)


def failed(reason: str, *, hint: str = "", effect: Effect = Effect.NONE) -> Outcome:
    """The user's program or check said no."""
    return Outcome(conclusion=Conclusion.FAILED, reason=reason, hint=hint, effect=effect)


def errored(reason: str, *, hint: str = "", transient: bool = False) -> Outcome:
    """It could not be run."""
    return Outcome(conclusion=Conclusion.ERRORED, reason=reason, hint=hint, transient=transient)


def timed_out(reason: str) -> Outcome:
    """Its own timeout passed."""
    return Outcome(conclusion=Conclusion.TIMED_OUT, reason=reason)


def cancelled(reason: str) -> Outcome:
    """A person, a newer run or the run's timeout stopped it."""
    return Outcome(conclusion=Conclusion.CANCELLED, reason=reason)
