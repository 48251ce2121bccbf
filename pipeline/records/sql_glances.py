"""The part of the records that pages look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.errors import NotFoundError
from pipeline.model.pulse import Pulse, StagePulse
from pipeline.model.run import Run, Runner
from pipeline.model.status import Conclusion, RunState

if TYPE_CHECKING:  # for its 174 ms, not for a circle
    from typing import Any

    import sqlalchemy as sa

    from pipeline.records.database import Database


class SqlGlances:
    """Implements `pipeline.ports.glances.Glances` for whoever has a database."""

    def _database(self) -> Database:
        raise NotImplementedError

    def newest_runs(self, *, on_default_branch: bool = False) -> Sequence[Run]:
        """One of each repository, newest first."""
        database = self._database()
        from pipeline.records import glance_queries as queries

        with database.reading() as connection:
            found = connection.execute(queries.newest_runs(on_default_branch=on_default_branch))
            return [_run(row) for row in found]

    def glance(
        self,
        *,
        repository: str = "",
        branch: str = "",
        state: RunState | None = None,
        conclusions: Collection[Conclusion] = (),
        before: datetime | None = None,
        limit: int = 50,
    ) -> Sequence[Run]:
        """Newest first, without stages."""
        database = self._database()
        from pipeline.records import glance_queries as queries

        with database.reading() as connection:
            wanted = queries.glance(repository, branch, state, conclusions, before, limit)
            return [_run(row) for row in connection.execute(wanted)]

    def wrong_stages(self, runs: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Names of stages that went wrong."""
        database = self._database()
        from pipeline.records import glance_queries as queries

        found: dict[str, list[str]] = defaultdict(list)
        with database.reading() as connection:
            for run, name in connection.execute(queries.wrong_stages(tuple(runs))):
                found[run].append(name)
        return found

    def pulse(self, run: str) -> Pulse:
        """Where a run stands."""
        database = self._database()
        from pipeline.records import glance_queries as queries
        from pipeline.records.rows import noun

        with database.reading() as connection:
            row = connection.execute(queries.pulse_of(run)).first()
            if row is None:
                raise NotFoundError(f"there is no run '{run}'", hint="`ecluse runs` lists them")
            stages = tuple(noun(StagePulse, stage) for stage in connection.execute(queries.stages_of(run)))
            return Pulse(run=row.id, state=row.state, conclusion=row.conclusion, stages=stages)


def _run(row: sa.Row[Any]) -> Run:
    from pipeline.records.rows import noun

    runner = Runner(**row.runner) if row.runner is not None else None
    return noun(Run, row, runner=runner, stages=())
