"""What waits for gates goes on by itself: a round of the server that asks them when something may have changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.delivery.admission import VERDICT
from pipeline.errors import EcluseError
from pipeline.model.work import WorkItem, WorkState
from pipeline.operations.serving.promoting import may_go_on
from pipeline.ports.application import Application

LOOK_EVERY = 1.0
"""Seconds between two looks at whether the ledger has grown."""
ASK_EVERY = 60.0
"""Seconds after which gates are asked again though nobody has decided anything: a check may answer otherwise."""
_MOST = 1000


class GateRound:
    """Wakes parked runs and promotions whose gates are open by now. One thread at a time."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._seen = 0
        self._asked = float("-inf")

    def __call__(self) -> None:
        """Ask, where the ledger has grown, a gate can have opened by time, or it is long ago."""
        app = self._app
        head = app.records.head()
        seq = head.seq if head is not None else 0
        parked = app.queue.items(states=(WorkState.PARKED,), limit=_MOST)
        if not parked:
            self._seen = seq
            return
        long_ago = app.clock.monotonic() - self._asked >= ASK_EVERY
        if seq == self._seen and not long_ago and not self._time_has_come(parked):
            return
        self._seen, self._asked = seq, app.clock.monotonic()
        for item in parked:
            try:
                if may_go_on(app, item):
                    app.queue.wake(item.id)
            except EcluseError:
                continue  # its repository or its target cannot be asked now; the next round asks again

    def _time_has_come(self, parked: Sequence[WorkItem]) -> bool:
        """Whether a gate said that it may open, at a time that has come since it was asked."""
        app = self._app
        now = app.clock.now()
        for item in parked:
            told = app.records.entries(actions=(VERDICT,), subjects=(item.id,), newest=1)
            opens = told[-1].data.get("opens") if told else None
            if isinstance(opens, str) and told[-1].time < datetime.fromisoformat(opens) <= now:
                return True
        return False
