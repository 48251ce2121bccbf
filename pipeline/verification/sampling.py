"""What follows from the samples of one check: a number out of bounds fails, and no data never passes silently."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.model.check import Answer, PrometheusCheck, SampledCheck, Verdict

ERRORS = 3
"""So many errors one after the other end a check; fewer may be a restart of the server that is asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """What has been seen so far: how many samples of each answer, and how many errors came last."""

    check: SampledCheck
    good: int = 0
    empty: int = 0
    errors: int = 0
    in_a_row: int = 0
    newest: Answer | None = None

    @property
    def last(self) -> Verdict | None:
        """The answer of the newest sample."""
        return self.newest.verdict if self.newest else None

    def after(self, answer: Answer) -> Samples:
        """With one sample more."""
        is_error = answer.verdict is Verdict.ERROR
        return replace(
            self,
            good=self.good + (answer.verdict is Verdict.PASS),
            empty=self.empty + (answer.verdict is Verdict.INCONCLUSIVE),
            errors=self.errors + is_error,
            in_a_row=self.in_a_row + 1 if is_error else 0,
            newest=answer,
        )

    def conclusion(self, *, over: bool) -> Answer | None:
        """What the check says, None while it has to be asked again. `over`: its time has passed."""
        newest = self.newest
        if newest is None:
            return None
        if newest.verdict is Verdict.FAIL or self.in_a_row >= ERRORS:
            return newest
        if not over:
            return None
        wanted = self.check.min_samples if isinstance(self.check, PrometheusCheck) else 1
        if self.good >= wanted:
            return newest if newest.verdict is Verdict.PASS else self._in_all(Verdict.PASS, newest)
        if self.errors > self.empty:
            return newest if newest.verdict is Verdict.ERROR else self._in_all(Verdict.ERROR, newest)
        no_data = self.check.no_data if isinstance(self.check, PrometheusCheck) else Verdict.INCONCLUSIVE
        return self._in_all(no_data, newest, wanted=f"{wanted} with a number")

    def _in_all(self, verdict: Verdict, newest: Answer, *, wanted: str = "") -> Answer:
        total = self.good + self.empty + self.errors
        numbers = [
            f"{count} {word}" for count, word in ((self.empty, "without data"), (self.errors, "in error")) if count
        ]
        seen = f"{self.good} of {total} sample{'s' if total != 1 else ''} had a number"
        if numbers:
            seen += f" ({', '.join(numbers)}; the last: {newest.seen})"
        return Answer(verdict=verdict, seen=seen, wanted=wanted, seconds=newest.seconds, query=newest.query)
