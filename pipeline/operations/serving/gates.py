"""What waits for gates goes on by itself: a round of the server that asks them when something may have changed."""

from __future__ import annotations

from collections.abc import Callable
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
    """Wakes parked runs and promotions whose gates are open by now. One thread at a time.

    `ask` says whether an item may go on. A look at which nothing can have changed asks no gate, and the database only
    for the ledger's head and for what is parked.
    """

    def __init__(self, app: Application, ask: Callable[[Application, WorkItem], bool] = may_go_on) -> None:
        self._app = app
        self._ask = ask
        self._seen = 0
        self._asked = float("-inf")
        self._opens: datetime | None = None

    def __call__(self) -> None:
        """Ask, where the ledger has grown, a gate's own time has come, or it is long ago."""
        app = self._app
        head = app.records.head()
        seq = head.seq if head is not None else 0
        parked = app.queue.items(states=(WorkState.PARKED,), limit=_MOST)
        if not parked:
            self._asked = float("-inf")  # whatever parks next is asked about at once
            return
        now = app.clock.now()
        long_ago = app.clock.monotonic() - self._asked >= ASK_EVERY
        opened = self._opens is not None and now >= self._opens
        if seq == self._seen and not long_ago and not opened:
            return
        self._seen, self._asked, self._opens = seq, app.clock.monotonic(), self._next_opening(now)
        for item in parked:
            try:
                if self._ask(app, item):
                    app.queue.wake(item.id)
            except EcluseError:
                continue  # its repository or its target cannot be asked now; the next round asks again

    def _next_opening(self, now: datetime) -> datetime | None:
        """The earliest time to come at which a gate said that it may open. Every verdict is a line of the ledger, so
        this holds for as long as that has not grown."""
        told = self._app.records.entries(actions=(VERDICT,), newest=_MOST)
        latest = {entry.subject: entry.data.get("opens") for entry in told}
        times = (datetime.fromisoformat(text) for text in latest.values() if isinstance(text, str))
        return min((time for time in times if time > now), default=None)
