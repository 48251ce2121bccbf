"""How tests fare, as a server's runs have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.remote.there.asked import AskedThere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.history import RunMeasure, TestTime
    from pipeline.model.quarantine import Quarantine
    from pipeline.operations.flaky import FlakyTest


class TestsThere(AskedThere):
    """Looking at tests over many runs."""

    def measures(self, *, branch: str, stage: str, runs: int, everywhere: bool) -> Sequence[RunMeasure]:
        """Results and coverage of the newest finished runs."""
        from pipeline.model.history import RunMeasure

        return self.connection.nouns(RunMeasure, self._tests("trend", everywhere), _query(branch, stage, runs))

    def slowest(self, *, branch: str, stage: str, runs: int, limit: int, everywhere: bool) -> Sequence[TestTime]:
        """The tests that take longest."""
        from pipeline.model.history import TestTime

        query = {**_query(branch, stage, runs), "limit": limit}
        return self.connection.nouns(TestTime, self._tests("slowest", everywhere), query)

    def flaky(self, *, branch: str, stage: str, runs: int, everywhere: bool) -> Sequence[FlakyTest]:
        """Those that failed and passed with no change between, and which are in quarantine."""
        from datetime import UTC, datetime

        from pipeline.operations.flaky import FlakyTest, as_quarantined

        found = self.connection.nouns(FlakyTest, self._tests("flaky", everywhere), _query(branch, stage, runs))
        return as_quarantined(found, self._quarantine(), datetime.now(UTC).date())

    def _quarantine(self) -> Sequence[Quarantine]:
        """That of the checkout: the server has no working tree."""
        from pipeline.model.quarantine import PLACE
        from pipeline.operations.place import root_of
        from pipeline.operations.quarantining import entries_of

        return entries_of((root_of(self.folder) or self.folder) / PLACE, name=PLACE) if self.folder else ()

    def _tests(self, what: str, everywhere: bool) -> str:
        if everywhere:
            raise UsageError("a server tells of the tests of one repository at a time", hint="leave --all away")
        return self.path("tests", what)


def _query(branch: str, stage: str, runs: int) -> dict[str, str | int | None]:
    return {"branch": branch or None, "stage": stage or None, "runs": runs}
