"""Asking all checks again and again for as long as they have to hold, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.model.check import Answer, Check, Verdict
from pipeline.model.duration import spell_duration
from pipeline.model.release import Measurement
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.target import Progress
from pipeline.ports.verification import Schedule, Verification

Ask = Callable[[Check], Answer]


def verify(
    checks: Sequence[Check], schedule: Schedule, *, ask: Ask, say: Progress, clock: Clock, cancel: Cancellation
) -> Verification:
    """See `pipeline.ports.verification.Verifier.verify`."""
    began = clock.monotonic()
    first_good: float | None = None
    answers: list[tuple[Check, Answer]] = []
    measurements: list[Measurement] = []
    while True:
        cancel.check()
        round_began = clock.monotonic()
        asked = []
        for check in checks:
            cancel.check()
            answer = ask(check)
            asked.append((check, answer, _measurement(check, answer, clock)))
        bad = next(((check, answer) for check, answer, _ in asked if answer.verdict is not Verdict.PASS), None)
        if bad and first_good is None and round_began - began < schedule.grace:
            say(f"{bad[0].name}: {bad[1].sentence} (within the grace of {spell_duration(schedule.grace)})")
            cancel.wait(min(schedule.every, 0.5))
            continue
        if not answers or bad:
            for check, answer, _ in asked:
                words = answer.seen if answer.verdict is Verdict.PASS else answer.sentence
                say(f"{check.name}: {answer.verdict}: {words} in {spell_duration(answer.seconds)}")
        answers += [(check, answer) for check, answer, _ in asked]
        measurements += [measurement for _, _, measurement in asked]
        first_good = round_began if first_good is None else first_good
        if bad or round_began - first_good >= schedule.lasting:
            return Verification(answers=tuple(answers), measurements=tuple(measurements))
        rest = schedule.lasting - (clock.monotonic() - first_good)
        cancel.wait(max(0.0, min(round_began + schedule.every - clock.monotonic(), rest)))


def _measurement(check: Check, answer: Answer, clock: Clock) -> Measurement:
    return Measurement(
        check=check.name,
        passed=answer.verdict is Verdict.PASS,
        seen=answer.seen if answer.verdict in (Verdict.PASS, Verdict.FAIL) else f"{answer.verdict}: {answer.seen}",
        wanted=answer.wanted,
        time=clock.now(),
        seconds=round(answer.seconds, 6),
    )
