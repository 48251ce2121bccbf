"""What is asked of many runs at once: trends, results of tests, where logs lie, and what housekeeping needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipeline.model.status import Conclusion

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.history import (
        ExpiredArtifact,
        FileTime,
        LogPlace,
        RunMeasure,
        RunOutline,
        TestResult,
        TestTime,
    )


class History(Protocol):
    """Part of the records; every method is one transaction. `repository`, `branch` and `stage` may be "" for all.
    A stage's name stands for all its cells. Reused stages are never counted.

    Errors that may leave: RecordsError, DiskFullError.
    """

    def run_measures(
        self, *, repository: str, branch: str = "", stage: str = "", runs: int = 20
    ) -> Sequence[RunMeasure]:
        """The newest finished runs, newest first."""

    def slowest_tests(
        self, *, repository: str, branch: str = "", stage: str = "", runs: int = 20, limit: int = 10
    ) -> Sequence[TestTime]:
        """Tests that passed in the newest finished runs (at most 500 of them), slowest first."""

    def test_results(
        self,
        *,
        repository: str,
        branch: str = "",
        stage: str = "",
        runs: int = 100,
        wrong: bool = False,
        names: Collection[str] = (),
    ) -> Sequence[TestResult]:
        """Results in the newest finished runs, newest run first: all, only those that went `wrong`, or those of the
        tests of these `names` (the name alone, without its class)."""

    def file_times(self, *, repository: str, stage: str, runs: int = 5) -> Sequence[FileTime]:
        """Seconds by test file and class, of the newest runs in which the stage left a report of tests."""

    def log_places(
        self, *, repository: str = "", branch: str = "", conclusions: Collection[Conclusion] = (), runs: int = 100
    ) -> Sequence[LogPlace]:
        """Logs of ended attempts of the newest runs, newest run first; of these conclusions only, where some are
        given."""

    def repositories(self) -> Sequence[str]:
        """Every repository that has runs, by the key under which they are recorded."""

    def outlines(self) -> Sequence[RunOutline]:
        """All runs, newest first."""

    def blobs_by_run(self, *, expired_at: datetime | None = None) -> Mapping[str, frozenset[str]]:
        """Run id to the digests that it names; without artifacts whose own time is over then."""

    def delete_runs(self, runs: Collection[str]) -> int:
        """Forget finished runs with all they left; others stay, and so do releases, promotions and the ledger.
        Returns how many went."""

    def expired_artifacts(self, now: datetime) -> Sequence[ExpiredArtifact]:
        """Artifacts of finished runs whose own time is over; nothing is changed."""

    def expire_artifacts(self, now: datetime) -> Sequence[ExpiredArtifact]:
        """The same, and their digests become "": the name stays, the content may go."""
