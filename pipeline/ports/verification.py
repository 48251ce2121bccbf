"""Whether a running release works: checks are asked for as long as they have to hold, for stages and promotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from pipeline.model.check import Answer, Check, Verdict
from pipeline.model.release import Measurement
from pipeline.ports.monitoring import CheckResult

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.model.definition import EnvironmentDefinition
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.target import Progress, Target

LEVELS: Final = {
    Verdict.PASS: "ok",
    Verdict.FAIL: "critical",
    Verdict.INCONCLUSIVE: "unknown",
    Verdict.ERROR: "unknown",
}
"""What supervision servers are told."""

WORST_FIRST: Final = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Seconds: the checks must hold `lasting` long, a round begins `every` so often, and a service that was started
    just now may take `grace` before its first good round."""

    lasting: float = 0.0
    every: float = 1.0
    grace: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Whom the checks are about: the target of the environment, and `secrets` that no answer may show.

    `promotion` brought the version that is judged ("": the youngest one that serves), and began at `since`: logs are
    read from then on, and a baseline `before` is what was measured then. None: since the version's first start.
    """

    target: Target
    promotion: str = ""
    since: datetime | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """All answers of one verification, in order of time."""

    answers: tuple[tuple[Check, Answer], ...] = ()
    measurements: tuple[Measurement, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst answer; `inconclusive` where nothing was asked."""
        seen = {answer.verdict for _, answer in self.answers}
        return next((verdict for verdict in WORST_FIRST if verdict in seen), Verdict.INCONCLUSIVE)

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
            worst = min(answers, key=lambda answer: WORST_FIRST.index(answer.verdict))
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


class Verifier(Protocol):
    """Asks checks. What stands in the way of asking is an answer (`error`), not an exception. Safe for threads."""

    def verify(
        self,
        environment: EnvironmentDefinition,
        checks: Sequence[Check],
        schedule: Schedule,
        *,
        subject: Subject,
        say: Progress,
        cancel: Cancellation,
    ) -> Verification:
        """Ask until every check's time is over, or one of them is bad. Raises CancelledError.

        Checks are asked in rounds by the schedule, or by their own pace where they have one; one bad answer ends it.
        Bad rounds within the grace are said and begin anew; only the rounds after it are kept. The last round begins
        when the time has passed, so the checks have held for at least that long.

        Sampled checks (metrics, logs) are judged by all that was seen: a sample out of bounds fails at once, single
        ones without data or without an answer are kept and made good by others. Every sample is a measurement.
        """
