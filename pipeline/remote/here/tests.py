"""How tests fare, as this machine's runs have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.remote.here.asked import AskedHere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.history import RunMeasure, TestTime
    from pipeline.operations.flaky import FlakyTest


class TestsHere(AskedHere):
    """Looking at tests over many runs."""

    def measures(self, *, branch: str, stage: str, runs: int, everywhere: bool) -> Sequence[RunMeasure]:
        """Results and coverage of the newest finished runs."""
        place = self.place(everywhere=everywhere)
        return self.app.records.run_measures(repository=place, branch=branch, stage=stage, runs=runs)

    def slowest(self, *, branch: str, stage: str, runs: int, limit: int, everywhere: bool) -> Sequence[TestTime]:
        """The tests that take longest."""
        place = self.place(everywhere=everywhere)
        return self.app.records.slowest_tests(repository=place, branch=branch, stage=stage, runs=runs, limit=limit)

    def flaky(self, *, branch: str, stage: str, runs: int, everywhere: bool) -> Sequence[FlakyTest]:
        """Those that failed and passed with no change between, and which are in quarantine."""
        from pipeline.model.quarantine import PLACE
        from pipeline.operations.flaky import flaky_tests
        from pipeline.operations.place import root_of
        from pipeline.operations.quarantining import entries_of

        return flaky_tests(
            self.app.records,
            repository=self.place(everywhere=everywhere),
            branch=branch,
            stage=stage,
            runs=runs,
            quarantine=entries_of((root_of(self.folder) or self.folder) / PLACE, name=PLACE),
            today=self.app.clock.now().date(),
        )
