"""What pages ask of the records: much at a glance, without what stages made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.pulse import Pulse
    from pipeline.model.run import Run
    from pipeline.model.status import Conclusion, RunState


class Glances(Protocol):
    """Part of the records; every method is one reading transaction. Runs come without their stages.

    Errors that may leave: RecordsError, DiskFullError, NotFoundError.
    """

    def newest_runs(self, *, on_default_branch: bool = False) -> Sequence[Run]:
        """The newest run of each repository, newest first; or the newest one on its default branch, as the server
        knows it (`main` where it does not know the repository)."""

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
        """Runs, newest first; with `before` those that were created earlier."""

    def wrong_stages(self, runs: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Run id to the names of its stages that failed, timed out or errored, in the order of the plan."""

    def pulse(self, run: str) -> Pulse:
        """Where a run stands. NotFoundError for an unknown one."""
