"""Asking all checks again and again for as long as they have to hold, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pipeline.model.duration import spell_duration
from pipeline.model.release import Measurement
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.monitoring import CheckResult
from stages.checks.check import Answer, Check, Verdict

LEVELS: Final = {
    Verdict.PASS: "ok",
    Verdict.FAIL: "critical",
    Verdict.INCONCLUSIVE: "unknown",
    Verdict.ERROR: "unknown",
}
"""What supervision servers are told."""

_WORST_FIRST: Final = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)

Ask = Callable[[Check], Answer]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Seconds: the checks must hold `lasting` long, a round begins `every` so often, and a service that was started
    just now may take `grace` before its first good round."""

    lasting: float = 0.0
    every: float = 1.0
    grace: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """All answers of one verification, in order of time."""

    answers: tuple[tuple[Check, Answer], ...] = ()
    measurements: tuple[Measurement, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """The worst answer; `inconclusive` where nothing was asked."""
        seen = {answer.verdict for _, answer in self.answers}
        return next((verdict for verdict in _WORST_FIRST if verdict in seen), Verdict.INCONCLUSIVE)

    @property
    def sentence(self) -> str:
        """`12 checks passed`, or the first bad one: `http /healthz: status 500, wants 200 (3 of 12 checks failed)`."""
        total = len(self.answers)
        worst = self.verdict
        bad = [(check, answer) for check, answer in self.answers if answer.verdict is worst]
        if worst is Verdict.PASS:
            return f"{total} check{'s' if total != 1 else ''} passed"
        if not bad:
            return "nothing was checked"
        check, answer = bad[0]
        word = {Verdict.FAIL: "failed", Verdict.ERROR: "could not be made"}.get(worst, "had no clear answer")
        return f"{check.name}: {answer.sentence} ({len(bad)} of {total} checks {word})"

    def results(self, *, environment: str, service: str, release: str, run: str) -> tuple[CheckResult, ...]:
        """One result for each check, its worst answer, with the mean time of its answers."""
        found = []
        for name in dict.fromkeys(check.name for check, _ in self.answers):
            answers = [answer for check, answer in self.answers if check.name == name]
            times = [item.time for item in self.measurements if item.check == name]
            worst = min(answers, key=lambda answer: _WORST_FIRST.index(answer.verdict))
            found.append(
                CheckResult(
                    environment=environment,
                    service=service,
                    check=name,
                    level=LEVELS[worst.verdict],
                    message=worst.sentence if worst.verdict is not Verdict.PASS else worst.seen,
                    seconds=sum(answer.seconds for answer in answers) / len(answers),
                    time=times[-1],
                    release=release,
                    run=run,
                )
            )
        return tuple(found)


def verify(
    checks: tuple[Check, ...], schedule: Schedule, *, ask: Ask, say: Say, clock: Clock, cancel: Cancellation
) -> Verification:
    """Ask rounds of all checks until the time is over, or one round is not all good. Raises CancelledError.

    Bad rounds within the grace are said and begin anew; only the rounds after it are kept. The last round begins when
    `lasting` has passed, so the checks have held for at least that long.
    """
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
