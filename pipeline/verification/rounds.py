"""Asking all checks again and again for as long as they have to hold, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.model.check import Answer, Check, LogCheck, PrometheusCheck, SampledCheck, Verdict
from pipeline.model.duration import spell_duration
from pipeline.model.release import Measurement
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.clock import Clock
from pipeline.ports.target import Progress
from pipeline.ports.verification import Schedule, Verification
from pipeline.verification.sampling import Samples

Ask = Callable[[Check], Answer]
HASTE = 0.5
"""Seconds at most between rounds of a service that has not been good yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """What all courses of one verification share; `answers` and `measurements` grow."""

    ask: Ask
    say: Progress
    clock: Clock
    cancel: Cancellation
    grace: float
    began: float
    answers: list[tuple[Check, Answer]] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)

    def measurement(self, check: Check, answer: Answer) -> Measurement:
        """The answer as it is kept, with the time of now."""
        plain = answer.verdict in (Verdict.PASS, Verdict.FAIL)
        return Measurement(
            check=check.name,
            passed=answer.verdict is Verdict.PASS,
            seen=answer.seen if plain else f"{answer.verdict}: {answer.seen}",
            wanted=answer.wanted,
            time=self.clock.now(),
            seconds=round(answer.seconds, 6),
            verdict=answer.verdict.value,
            query=answer.query,
            value=answer.value,
            baseline=answer.baseline,
        )

    def tell(self, check: Check, answer: Answer) -> None:
        """A line of the log."""
        words = answer.seen if answer.verdict is Verdict.PASS else answer.sentence
        self.say(f"{check.name}: {answer.verdict}: {words} in {spell_duration(answer.seconds)}")

    def forgiven(self, check: Check, answer: Answer, *, asked: float) -> bool:
        """Whether a bad answer that was asked for then lies within the grace, which is said."""
        if asked - self.began >= self.grace:
            return False
        self.say(f"{check.name}: {answer.sentence} (within the grace of {spell_duration(self.grace)})")
        return True


class Course(Protocol):
    """Checks that are asked together. `due` is when to ask next, None once all is said; `bad` ends everything."""

    due: float | None
    bad: bool

    def step(self) -> None:
        """Ask once."""


class Rounds:
    """Checks of which every answer must be good."""

    def __init__(self, checks: Sequence[Check], asking: Asking, *, lasting: float, every: float) -> None:
        self._checks = checks
        self._asking = asking
        self._lasting = lasting
        self._every = every
        self._first_good: float | None = None
        self.due: float | None = asking.began
        self.bad = False

    def step(self) -> None:
        """One round of all."""
        asking = self._asking
        began = asking.clock.monotonic()
        asked = []
        for check in self._checks:
            asking.cancel.check()
            answer = asking.ask(check)
            asked.append((check, answer, asking.measurement(check, answer)))
        bad = next(((check, answer) for check, answer, _ in asked if answer.verdict is not Verdict.PASS), None)
        if bad and self._first_good is None and asking.forgiven(*bad, asked=began):
            self.due = asking.clock.monotonic() + min(self._every, HASTE)
            return
        if self._first_good is None or bad:
            for check, answer, _ in asked:
                asking.tell(check, answer)
        asking.answers.extend((check, answer) for check, answer, _ in asked)
        asking.measurements.extend(measurement for _, _, measurement in asked)
        self._first_good = began if self._first_good is None else self._first_good
        self.bad = bad is not None
        end = self._first_good + self._lasting
        self.due = None if bad or began >= end else min(began + self._every, end)


class Sampling:
    """A check that is judged by all its samples."""

    def __init__(self, check: SampledCheck, asking: Asking) -> None:
        self._check = check
        self._asking = asking
        self._samples = Samples(check=check)
        self._first: float | None = None
        self.due: float | None = asking.began
        self.bad = False

    def step(self) -> None:
        """One sample; the last one brings the conclusion."""
        asking, check = self._asking, self._check
        asked = asking.clock.monotonic()
        answer = asking.ask(check)
        if answer.verdict is Verdict.FAIL and not self._samples.good and asking.forgiven(check, answer, asked=asked):
            self.due = asked + min(check.pace.every, HASTE)
            return
        if answer.verdict is not self._samples.last:
            asking.tell(check, answer)
        asking.measurements.append(asking.measurement(check, answer))
        self._first = asked if self._first is None else self._first
        end = self._first + check.pace.lasting
        self._samples = self._samples.after(answer)
        conclusion = self._samples.conclusion(over=asked >= end)
        if conclusion is None:
            self.due = min(asked + check.pace.every, end)
            return
        if conclusion.verdict is not answer.verdict:
            asking.tell(check, conclusion)
            asking.measurements.append(asking.measurement(check, conclusion))
        asking.answers.append((check, conclusion))
        self.due = None
        self.bad = conclusion.verdict is not Verdict.PASS


def verify(
    checks: Sequence[Check], schedule: Schedule, *, ask: Ask, say: Progress, clock: Clock, cancel: Cancellation
) -> Verification:
    """See `pipeline.ports.verification.Verifier.verify`."""
    asking = Asking(ask=ask, say=say, clock=clock, cancel=cancel, grace=schedule.grace, began=clock.monotonic())
    courses = _courses(checks, schedule, asking)
    while True:
        cancel.check()
        waiting = [(course.due, index) for index, course in enumerate(courses) if course.due is not None]
        if not waiting:
            break
        due, index = min(waiting)
        rest = due - clock.monotonic()
        if rest > 0:
            cancel.wait(rest)
            continue
        courses[index].step()
        if courses[index].bad:
            break
    return Verification(answers=tuple(asking.answers), measurements=tuple(asking.measurements))


def _courses(checks: Sequence[Check], schedule: Schedule, asking: Asking) -> list[Course]:
    """Checks of one pace go in rounds, sampled ones each for itself."""
    rounds: dict[tuple[float, float], list[Check]] = {}
    courses: list[Course] = []
    for check in checks:
        if isinstance(check, PrometheusCheck | LogCheck):
            courses.append(Sampling(check, asking))
            continue
        pace = check.pace
        key = (pace.lasting, pace.every) if pace else (schedule.lasting, schedule.every)
        rounds.setdefault(key, []).append(check)
    together = [Rounds(items, asking, lasting=lasting, every=every) for (lasting, every), items in rounds.items()]
    return [*together, *courses]
