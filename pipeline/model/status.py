"""States and conclusions of runs, stages and promotions, with the moves that are allowed between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class StageState(StrEnum):
    """Where a stage run is on its way; `done` has a conclusion."""

    WAITING = "waiting"
    READY = "ready"
    PREPARING = "preparing"
    RUNNING = "running"
    COLLECTING = "collecting"
    DONE = "done"


STAGE_MOVES: Mapping[StageState, frozenset[StageState]] = {
    StageState.WAITING: frozenset({StageState.READY, StageState.DONE}),
    StageState.READY: frozenset({StageState.PREPARING, StageState.DONE}),
    StageState.PREPARING: frozenset({StageState.RUNNING, StageState.WAITING, StageState.DONE}),
    StageState.RUNNING: frozenset({StageState.COLLECTING, StageState.PREPARING, StageState.WAITING, StageState.DONE}),
    StageState.COLLECTING: frozenset({StageState.PREPARING, StageState.DONE}),
    StageState.DONE: frozenset({StageState.WAITING}),
}
"""A stage goes back to `waiting` when it parks, and a done one when a person retries it."""


class RunState(StrEnum):
    """Where a run is on its way; `done` has a conclusion."""

    QUEUED = "queued"
    RUNNING = "running"
    PARKED = "parked"
    DONE = "done"


RUN_MOVES: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.DONE}),
    RunState.RUNNING: frozenset({RunState.PARKED, RunState.DONE}),
    RunState.PARKED: frozenset({RunState.RUNNING, RunState.DONE}),
    RunState.DONE: frozenset({RunState.RUNNING}),
}
"""A run that is done goes on only when a person retries it."""


class Conclusion(StrEnum):
    """How a stage (or a run) ended. `semantics.md` in the docs has the table with examples."""

    SUCCEEDED = "succeeded"
    WARNED = "warned"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    ERRORED = "errored"

    @property
    def satisfies(self) -> bool:
        """Whether stages that need this one may run."""
        return self in SATISFYING

    @property
    def went_wrong(self) -> bool:
        """Whether `if: failed` and `run: on_failure` take this as a failure."""
        return self in WENT_WRONG


SATISFYING = frozenset({Conclusion.SUCCEEDED, Conclusion.WARNED, Conclusion.SKIPPED})
WENT_WRONG = frozenset({Conclusion.FAILED, Conclusion.TIMED_OUT, Conclusion.ERRORED})

_WORST_FIRST = (Conclusion.ERRORED, Conclusion.FAILED, Conclusion.TIMED_OUT, Conclusion.WARNED)


def run_conclusion(stages: Iterable[Conclusion], *, cancelled: bool) -> Conclusion:
    """The conclusion of a run from those of its stages.

    A cancelled run is `cancelled` whatever failed before; else the worst counts:
    errored > failed > timed_out > warned > succeeded. Only skipped stages make a succeeded run.
    """
    seen = frozenset(stages)
    if cancelled:
        return Conclusion.CANCELLED
    for conclusion in _WORST_FIRST:
        if conclusion in seen:
            return conclusion
    return Conclusion.CANCELLED if Conclusion.CANCELLED in seen else Conclusion.SUCCEEDED


class PromotionState(StrEnum):
    """Where a promotion is on its way; the last six are ends."""

    PLANNED = "planned"
    WAITING = "waiting"
    LOCKED = "locked"
    ROLLING_OUT = "rolling_out"
    VERIFYING = "verifying"
    DEPLOYED = "deployed"
    ROLLED_BACK = "rolled_back"
    PARTIAL = "partial"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    FAILED = "failed"


_ENDS = frozenset(
    {
        PromotionState.DEPLOYED,
        PromotionState.ROLLED_BACK,
        PromotionState.PARTIAL,
        PromotionState.REFUSED,
        PromotionState.SUPERSEDED,
        PromotionState.FAILED,
    }
)

PROMOTION_MOVES: Mapping[PromotionState, frozenset[PromotionState]] = {
    PromotionState.PLANNED: frozenset(
        {PromotionState.WAITING, PromotionState.LOCKED, PromotionState.REFUSED, PromotionState.SUPERSEDED}
    ),
    PromotionState.WAITING: frozenset({PromotionState.LOCKED, PromotionState.REFUSED, PromotionState.SUPERSEDED}),
    PromotionState.LOCKED: frozenset({PromotionState.ROLLING_OUT, PromotionState.FAILED}),
    PromotionState.ROLLING_OUT: frozenset(
        {
            PromotionState.VERIFYING,
            PromotionState.ROLLED_BACK,
            PromotionState.PARTIAL,
            PromotionState.FAILED,
        }
    ),
    PromotionState.VERIFYING: frozenset(
        {PromotionState.DEPLOYED, PromotionState.ROLLED_BACK, PromotionState.PARTIAL, PromotionState.FAILED}
    ),
    **{end: frozenset() for end in _ENDS},
}
