"""What is remembered: runs, releases, promotions and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipeline.model.plan import Plan
from pipeline.model.run import Run, Runner, StageRun
from pipeline.model.status import Conclusion, PromotionState, RunState
from pipeline.model.trust import Trust
from pipeline.model.value import Value
from pipeline.ports.decisions import Decisions
from pipeline.ports.glances import Glances
from pipeline.ports.history import History

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.decision import Lease
    from pipeline.model.release import LedgerEntry, Promotion, Release
    from pipeline.model.work import Fence


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """Which runs to list: empty fields say nothing; newest first, at most `limit`."""

    repository: str = ""
    branch: str = ""
    state: RunState | None = None
    conclusion: Conclusion | None = None
    before: str = ""
    """Only those that come behind the run of this id, for the next page."""
    limit: int = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class StageHistory:
    """What is remembered of a stage on a branch: the commit at which it last succeeded, "" where it never did."""

    commit: str = ""


class Records(History, Decisions, Glances, Protocol):
    """The database of one installation. Safe for several threads and processes; every method is one transaction.

    Errors that may leave: RecordsError, DiskFullError, NotFoundError, and LeaseLostError where a lease is given.
    """

    def hold(self, fence: Fence) -> None:
        """From now on write of a run only while its item of the queue is held with this token: LeaseLostError, and
        nothing written, once another has it."""

    def create_run(self, run: Run, plan: Plan) -> int:
        """Store a new run with its plan; returns its number within its repository (`run.number` is ignored)."""

    def update_run(
        self,
        run: str,
        *,
        state: RunState,
        conclusion: Conclusion | None = None,
        finished: datetime | None = None,
    ) -> None:
        """Move a run on. A run that is done is not changed again."""

    def reopen_run(self, seen: Run, runner: Runner) -> None:
        """Move a run that is running, parked or done to `running` under another runner.

        RefusedError when it no longer stands as `seen` does (state and runner): somebody else was quicker.
        """

    def save_plan(self, run: str, plan: Plan, *, stages: Sequence[StageRun] = ()) -> None:
        """Replace the plan of a run that got further stages, and store these. NotFoundError for an unknown run."""

    def save_stage(self, run: str, stage: StageRun, *, durable: bool = False) -> None:
        """Store a stage run with its attempts and products, replacing what was known of it. With `durable` it also
        outlives a power cut once this returns."""

    def find_run(self, reference: str, *, repository: str = "") -> Run:
        """By id, unique prefix of an id (4 or more), number in the repository, or `last`. NotFoundError else."""

    def runs(self, chosen: RunFilter) -> Sequence[Run]:
        """Runs without their stages' products, newest first."""

    def plan(self, run: str) -> Mapping[str, Value]:
        """The stored plan of a run, as JSON."""

    def save_release(self, release: Release, *, actor: str = "ecluse") -> None:
        """Store a release with its ledger entry (`release.sealed`); nothing happens when it is known."""

    def find_release(self, reference: str) -> Release:
        """By id, unique prefix of its hex digits, or name (newest wins). NotFoundError else."""

    def releases(self, *, repository: str = "", limit: int = 50, before: str = "") -> Sequence[Release]:
        """Newest first; with `before` only those that come behind the release of this id, for the next page."""

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
        """Store a promotion's state and append the ledger entry that says so, in one transaction.

        LeaseLostError, and nothing written, where the given lease has got another holder or token, or was given up.
        RefusedError, and nothing written, where the promotion is not in the state that we have `seen` (None: any).
        """

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
        """Newest first; with `under_way` only those that have not ended, with `before` only those that come behind the
        promotion of this id, for the next page."""

    def ledger(self, *, after: int = 0, limit: int = 1000) -> Sequence[LedgerEntry]:
        """Entries in order, from the one behind seq `after`."""

    def referenced_blobs(self) -> frozenset[str]:
        """Digests that some record still names."""

    def stage_seconds(self, repository: str, *, runs: int = 20) -> Mapping[str, float]:
        """Median seconds of each stage over the latest succeeded stage runs."""

    def stage_histories(
        self, repository: str, branch: str, *, trust: Sequence[Trust], runs: int = 1000
    ) -> Mapping[str, StageHistory]:
        """By name, every stage that was wanted on a branch in the latest `runs` of a repository (not only skipped).

        Only runs of these levels of trust count, and none of a working tree with uncommitted changes.
        """

    def close(self) -> None:
        """Give connections back."""
