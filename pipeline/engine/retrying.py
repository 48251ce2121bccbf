"""When a stage is tried again, and after which pause."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pipeline.model.outcome import Effect, Outcome
from pipeline.model.status import Conclusion

if TYPE_CHECKING:
    from pipeline.model.definition import RetryRule
    from pipeline.ports.stage import StageKind

TRANSIENT_RETRIES = 2
TRANSIENT_BACKOFF = 1.0
LOG_WORD, REASON_WORD = "log: ", "reason: "
_WENT_WRONG = (Conclusion.FAILED, Conclusion.TIMED_OUT, Conclusion.ERRORED)


def retry_pause(
    rule: RetryRule | None, outcome: Outcome, *, number: int, kind: StageKind, said: frozenset[str] = frozenset()
) -> float | None:
    """Seconds to wait before attempt `number` + 1, or None when no further attempt is due.

    `said` holds the texts of the rule's `log: …` that stood in the attempt's log. Without a rule a transient
    `errored` is tried again twice, but never for a kind with outside effects. What was refused stays refused.
    """
    if outcome.effect is Effect.REFUSED:
        return None
    if rule is None:
        if kind.effects or not outcome.transient or number > TRANSIENT_RETRIES:
            return None
        if outcome.conclusion is not Conclusion.ERRORED:
            return None
        return TRANSIENT_BACKOFF * float(2 ** (number - 1)) * (0.5 + random.random())  # noqa: S311 - jitter, no secret
    if number > rule.max or not any(_matches(word, outcome, said) for word in rule.on):
        return None
    return rule.backoff * (0.5 + random.random())  # noqa: S311 - jitter, no secret


def _matches(word: str, outcome: Outcome, said: frozenset[str]) -> bool:
    if word == outcome.conclusion.value:
        return True
    if word.startswith(LOG_WORD):
        return outcome.conclusion in _WENT_WRONG and word.removeprefix(LOG_WORD) in said
    if word.startswith(REASON_WORD):
        return outcome.conclusion in _WENT_WRONG and word.removeprefix(REASON_WORD) in outcome.reason
    return outcome.conclusion is Conclusion.FAILED and outcome.reason == word


def awaited_texts(rule: RetryRule | None) -> tuple[str, ...]:
    """What a rule wants to know of a log: whether these texts stand in it."""
    words = rule.on if rule else ()
    return tuple(word.removeprefix(LOG_WORD) for word in words if word.startswith(LOG_WORD))
