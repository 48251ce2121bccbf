"""The part of the records that looks at many runs at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.model.status import Conclusion

if TYPE_CHECKING:  # for its 174 ms, not for a circle
    from pipeline.model.history import (
        ExpiredArtifact,
        FileTime,
        LogPlace,
        RunMeasure,
        RunOutline,
        TestResult,
        TestTime,
    )
    from pipeline.records.database import Database


class SqlHistory:
    """Implements `pipeline.ports.history.History` for whoever has a database."""

    def _database(self) -> Database:
        raise NotImplementedError

    def run_measures(
        self, *, repository: str, branch: str = "", stage: str = "", runs: int = 20
    ) -> Sequence[RunMeasure]:
        """The newest finished runs, newest first."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.run_measures(connection, repository, branch, stage, runs)

    def slowest_tests(
        self, *, repository: str, branch: str = "", stage: str = "", runs: int = 20, limit: int = 10
    ) -> Sequence[TestTime]:
        """Tests that passed, slowest first."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.slowest_tests(connection, repository, branch, stage, runs, limit)

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
        """Results of tests, newest run first."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.test_results(connection, repository, branch, stage, runs, wrong=wrong, names=names)

    def file_times(self, *, repository: str, stage: str, runs: int = 5) -> Sequence[FileTime]:
        """Seconds by test file and class."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.file_times(connection, repository, stage, runs)

    def log_places(
        self, *, repository: str = "", branch: str = "", conclusions: Collection[Conclusion] = (), runs: int = 100
    ) -> Sequence[LogPlace]:
        """Where logs lie, newest run first."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.log_places(connection, repository, branch, tuple(conclusions), runs)

    def repositories(self) -> Sequence[str]:
        """Every repository that has runs."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.repositories(connection)

    def outlines(self) -> Sequence[RunOutline]:
        """All runs, newest first."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.outlines(connection)

    def blobs_by_run(self, *, expired_at: datetime | None = None) -> Mapping[str, frozenset[str]]:
        """Run id to the digests that it names."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.blobs_by_run(connection, expired_at)

    def delete_runs(self, runs: Collection[str]) -> int:
        """Forget finished runs."""
        database = self._database()
        from pipeline.records import history_records

        with database.writing() as connection:
            return history_records.delete_runs(connection, runs)

    def expired_artifacts(self, now: datetime) -> Sequence[ExpiredArtifact]:
        """Artifacts whose own time is over."""
        database = self._database()
        from pipeline.records import history_records

        with database.reading() as connection:
            return history_records.expired(connection, now, empty=False)

    def expire_artifacts(self, now: datetime) -> Sequence[ExpiredArtifact]:
        """The same, and their content is given up."""
        database = self._database()
        from pipeline.records import history_records

        with database.writing() as connection:
            return history_records.expired(connection, now, empty=True)
