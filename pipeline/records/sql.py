"""Records in a SQL database; SQLAlchemy is imported with the first call, not before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model.plan import Plan
from pipeline.model.run import Run, Runner, StageRun
from pipeline.model.status import Conclusion, RunState
from pipeline.model.trust import Trust
from pipeline.model.value import Value
from pipeline.ports.records import RunFilter, StageHistory
from pipeline.records.sql_decisions import SqlDecisions
from pipeline.records.sql_glances import SqlGlances
from pipeline.records.sql_history import SqlHistory

if TYPE_CHECKING:  # for its 174 ms, not for a circle
    import sqlalchemy as sa

    from pipeline.model.decision import Lease
    from pipeline.model.release import LedgerEntry, Promotion, Release
    from pipeline.model.status import PromotionState
    from pipeline.model.work import Fence
    from pipeline.records.database import Database
    from pipeline.records.spool import Spool


_SQLITE = "sqlite:///"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def sqlite_url(home: Path) -> str:
    """The address of the database under a home folder."""
    return f"sqlite:///{home / 'records.db'}"


class SqlRecords(SqlHistory, SqlDecisions, SqlGlances):
    """Implements `pipeline.ports.records.Records` over SQLite (`sqlite:///path`) and PostgreSQL (`postgresql://…`).

    Making one costs nothing and touches nothing; the first call connects, and brings an older schema up to date.
    `now` gives the time of ledger entries and leases; without it that is the machine's, and for leases that several
    machines share the server's. `wait` is how many seconds a writer waits for those of other processes.
    """

    def __init__(self, url: str, *, now: Callable[[], datetime] | None = None, wait: float = 30.0) -> None:
        self._url = url
        self._now = now
        self._wait = wait
        self._opening = threading.Lock()
        self._opened: Database | None = None
        self._spool: Spool | None = None
        self._asked = False
        self._fence: Fence | None = None

    def hold(self, fence: Fence) -> None:
        """From now on write of its run only while its place in the queue is held."""
        self._fence = fence

    def create_run(self, run: Run, plan: Plan) -> int:
        """Store a new run with its plan and its stages (those of the plan where it has none yet)."""
        spool = self._quick()
        if spool is not None:
            return spool.create_run(run, plan)
        database = self._database()
        from pipeline.records import run_records

        with database.writing() as connection:
            self._check(connection, run.id)
            return run_records.create_run(connection, run, plan)

    def update_run(
        self, run: str, *, state: RunState, conclusion: Conclusion | None = None, finished: datetime | None = None
    ) -> None:
        """Move a run on, unless it is done."""
        spool = self._quick(run)
        if spool is not None:
            spool.update_run(run, state=state, conclusion=conclusion, finished=finished)
            return
        database = self._database()
        from pipeline.records import run_records

        with database.writing() as connection:
            self._check(connection, run)
            run_records.update_run(connection, run, state, conclusion, finished)

    def reopen_run(self, seen: Run, runner: Runner) -> None:
        """Give a run to another runner."""
        database = self._database()
        from pipeline.records import run_records

        with database.durable() as connection:
            self._check(connection, seen.id)
            run_records.reopen_run(connection, seen.id, runner, seen)

    def save_plan(self, run: str, plan: Plan, *, stages: Sequence[StageRun] = ()) -> None:
        """Replace the plan of a run, and store stages with it."""
        spool = self._quick(run)
        if spool is not None:
            spool.save_plan(run, plan, stages=stages)
            return
        database = self._database()
        from pipeline.records import run_records

        with database.writing() as connection:
            self._check(connection, run)
            run_records.save_plan(connection, run, plan)
            for stage in stages:
                run_records.save_stage(connection, run, stage)

    def save_stage(self, run: str, stage: StageRun, *, durable: bool = False) -> None:
        """Replace what is known of a stage run; `durable`: on the disk when this returns."""
        spool = self._quick(run)
        if spool is not None:
            spool.save_stage(run, stage, durable=durable)
            return
        database = self._database()
        from pipeline.records import run_records

        with database.durable() if durable else database.writing() as connection:
            self._check(connection, run)
            run_records.save_stage(connection, run, stage)

    def find_run(self, reference: str, *, repository: str = "") -> Run:
        """By id, number, `last`, or unique prefix of an id."""
        database = self._database()
        from pipeline.records import run_records

        with database.reading() as connection:
            return run_records.find_run(connection, reference, repository)

    def runs(self, chosen: RunFilter) -> Sequence[Run]:
        """Newest first; with stages and attempts, without products."""
        database = self._database()
        from pipeline.records import run_records

        with database.reading() as connection:
            return run_records.list_runs(connection, chosen)

    def plan(self, run: str) -> Mapping[str, Value]:
        """The stored plan."""
        database = self._database()
        from pipeline.records import run_records

        with database.reading() as connection:
            return run_records.plan_of(connection, run)

    def save_release(self, release: Release, *, actor: str = "ecluse") -> None:
        """Store a release, and append the entry that says so, unless it is known."""
        database = self._database()
        from pipeline.records import release_records

        with database.durable() as connection:
            release_records.save_release(connection, release, actor=actor, now=self._time())

    def find_release(self, reference: str) -> Release:
        """By id, name (newest wins), or unique prefix of its hex digits (4 or more)."""
        database = self._database()
        from pipeline.records import release_records

        with database.reading() as connection:
            return release_records.find_release(connection, reference)

    def releases(self, *, repository: str = "", limit: int = 50, before: str = "") -> Sequence[Release]:
        """Newest first."""
        database = self._database()
        from pipeline.records import release_records

        with database.reading() as connection:
            return release_records.list_releases(connection, repository, limit, before)

    def save_promotion(
        self,
        promotion: Promotion,
        *,
        actor: str,
        action: str,
        data: Mapping[str, Value],
        lease: Lease | None = None,
        seen: PromotionState | None = None,
    ) -> LedgerEntry:
        """Store a promotion and append its ledger entry; both are on the disk when this returns."""
        database = self._database()
        from pipeline.records import release_records

        with database.durable() as connection:
            return release_records.save_promotion(
                connection, promotion, actor=actor, action=action, data=data, now=self._time(), lease=lease, seen=seen
            )

    def promotions(
        self,
        *,
        repository: str = "",
        environment: str = "",
        release: str = "",
        under_way: bool = False,
        limit: int = 50,
        before: str = "",
    ) -> Sequence[Promotion]:
        """Newest first."""
        database = self._database()
        from pipeline.records import release_records

        with database.reading() as connection:
            return release_records.list_promotions(
                connection, repository, environment, release, under_way=under_way, limit=limit, before=before
            )

    def referenced_blobs(self) -> frozenset[str]:
        """Digests that a log, a service's log or an artifact names."""
        return frozenset(digest for digests in self.blobs_by_run().values() for digest in digests)

    def stage_seconds(self, repository: str, *, runs: int = 20) -> Mapping[str, float]:
        """Median seconds by stage, over its latest succeeded runs."""
        database = self._database()
        from pipeline.records import run_records

        with database.reading() as connection:
            return run_records.stage_seconds(connection, repository, runs)

    def stage_histories(
        self, repository: str, branch: str, *, trust: Sequence[Trust], runs: int = 1000
    ) -> Mapping[str, StageHistory]:
        """The last success of each stage of a branch."""
        database = self._database()
        from pipeline.records import run_records

        with database.reading() as connection:
            return run_records.stage_histories(connection, repository, branch, trust, runs)

    def close(self) -> None:
        """Give connections back; the next call would connect again."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
            if self._spool is not None:
                self._spool.close()
                self._spool = None
            self._asked = False

    def _check(self, connection: sa.Connection, run: str) -> None:
        """In the transaction that writes: nobody can take the place over before it is committed."""
        if self._fence is not None and self._fence.run == run:
            from pipeline.records.server.fencing import check

            check(connection, self._fence)

    def _time(self) -> datetime:
        """For entries of the ledger."""
        return (self._now or _utc_now)()

    def _lease_time(self, connection: sa.Connection) -> datetime:
        """A file's database is asked by one machine only."""
        if self._now is not None or self._url.startswith(_SQLITE):
            return self._time()
        from pipeline.records import lease_records

        return lease_records.now_of(connection)

    def _quick(self, run: str = "") -> Spool | None:
        """The spool, for as long as nobody in this process had to open the database in full; None for a run that is
        not recorded, which the tables refuse in their own words, and where a fence is to be asked."""
        if self._fence is not None:
            return None
        with self._opening:
            if not self._asked:
                self._asked = True
                if self._opened is None and self._url.startswith(_SQLITE):
                    from pipeline.records.spool import Spool

                    self._spool = Spool.open(Path(self._url.removeprefix(_SQLITE)), wait=self._wait)
            spool = self._spool
        return spool if spool is not None and (not run or spool.knows(run)) else None

    def database(self) -> Database:
        """The same database, for what a server keeps beside these."""
        return self._database()

    def _database(self) -> Database:
        """The database, opened and brought up to date by whoever comes first, with all that runs have spooled."""
        with self._opening:
            if self._opened is None:
                from pipeline.records.database import Database
                from pipeline.records.upgrade import ensure_current

                database = Database(self._url, wait=self._wait)
                ensure_current(database)
                self._opened = database
                self._asked, self._spool = True, None
            if self._opened.path:
                from pipeline.records.folding import fold, waiting

                with self._opened.reading() as connection:
                    spooled = waiting(connection)
                if spooled:
                    with self._opened.writing() as connection:
                        fold(connection)
            return self._opened
