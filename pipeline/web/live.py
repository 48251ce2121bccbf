"""Server-sent events: one look at the records or a log serves everybody who watches it (fan-out in memory)."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from pipeline.errors import EcluseError
from pipeline.model.account import Role
from pipeline.model.status import RunState
from pipeline.operations.repositories import url_of
from pipeline.web.access.asking import Signed, need
from pipeline.web.asking import App
from pipeline.web.live_log import LogTopic
from pipeline.web.pages.words import duration, spoken, stage_look

if TYPE_CHECKING:
    from pipeline.model.pulse import Pulse, StagePulse
    from pipeline.operations.log_window import LogPaper
    from pipeline.ports.application import Application

router = APIRouter(include_in_schema=False)

EVENTS = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVERY = 0.5
"""Seconds between two looks at what is watched."""
STILL_HERE = 15.0
"""Seconds of silence after which a stream says that it lives: a proxy would close it else."""
MOST = 5000
"""Streams at a time in one process."""
_LOG = logging.getLogger(__name__)


def event(name: str, body: object) -> bytes:
    """One event; JSON has no line ends of its own."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


@dataclass(slots=True)
class Watched:
    """Something that is looked at again and again: `seen` changes, and everybody in `waiters` is woken."""

    look: Callable[[], Any]
    seen: Any = None
    waiters: set[asyncio.Event] = field(default_factory=set)


class Live:
    """All streams of a process. Its methods are called in the event loop; one thread looks at the records."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._watched: dict[str, Watched] = {}
        self._logs: dict[str, LogTopic] = {}
        self.streams = 0
        self._over = False
        self._thread: threading.Thread | None = None
        self._stir = threading.Event()

    def close(self) -> None:
        """End all streams, so that the server can end; from the event loop."""
        self._over = True
        self._stir.set()
        for watched in self._watched.values():
            _wake(watched.waiters)
        for topic in self._logs.values():
            topic.close()

    async def watch(self, key: str, look: Callable[[], Any]) -> AsyncIterator[tuple[Any, Any]]:
        """`(before, now)` each time that `look` gives something else, with `None` before the first; forever."""
        self._enter()
        watched = self._watched.setdefault(key, Watched(look=look))
        woken = asyncio.Event()
        watched.waiters.add(woken)
        last: Any = None
        try:
            if watched.seen is None:
                watched.seen = await run_in_threadpool(look)
            self._begin()
            while not self._over:
                if watched.seen != last:
                    before, last = last, watched.seen
                    yield before, last
                    continue
                woken.clear()
                if not await _waits(woken):
                    yield last, last
        finally:
            self.streams -= 1
            watched.waiters.discard(woken)
            if not watched.waiters:
                self._watched.pop(key, None)

    async def follow_log(self, key: str, *, run: str, paper: LogPaper, after: int) -> AsyncIterator[bytes]:
        """Events `lines` with what comes behind `after`, `again` where the log begins anew, at the end `over`."""
        self._enter()
        topic = self._logs.get(key)
        if topic is None:
            topic = self._logs[key] = LogTopic(self._app, run, paper, asyncio.get_running_loop())
        try:
            async for block in topic.follow(after):
                yield block
        finally:
            self.streams -= 1
            if not topic.followers and self._logs.get(key) is topic:
                del self._logs[key]
                topic.close()

    def _enter(self) -> None:
        if self.streams >= MOST:
            raise HTTPException(503, f"{MOST} streams are open already", headers={"Retry-After": "30"})
        self.streams += 1

    def _begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._look_around, args=(loop,), name="live", daemon=True)
            self._thread.start()
        self._stir.set()

    def _look_around(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until nobody has watched anything for a while."""
        idle = 0
        while not self._over and idle < 20:
            self._stir.wait(EVERY) if idle else threading.Event().wait(EVERY)
            self._stir.clear()
            watched = list(self._watched.values())
            idle = 0 if watched else idle + 1
            for item in watched:
                try:
                    seen = item.look()
                except EcluseError as error:
                    _LOG.warning("a page cannot be kept up to date: %s", error.message)
                    continue
                if seen != item.seen:
                    loop.call_soon_threadsafe(_show, item, seen)


def _show(watched: Watched, seen: Any) -> None:
    watched.seen = seen
    _wake(watched.waiters)


def _wake(waiters: set[asyncio.Event]) -> None:
    for waiter in waiters:
        waiter.set()


async def _waits(woken: asyncio.Event) -> bool:
    """False where nothing happened for so long that a sign of life is due."""
    try:
        await asyncio.wait_for(woken.wait(), STILL_HERE)
    except TimeoutError:
        return False
    return True


def live_of(request: Request) -> Live:
    """The streams of this process."""
    state = request.app.state
    if not hasattr(state, "live"):
        state.live = Live(state.application)
    found: Live = state.live
    return found


@router.get("/live")
async def anything(
    request: Request, app: App, principal: Signed, repository: Annotated[str, Query(max_length=300)] = ""
) -> StreamingResponse:
    """`changed` whenever a run of the repository (or of any) comes or goes on, or the ledger grows."""
    if repository:
        principal.must(Role.VIEWER, repository)
    url = await run_in_threadpool(url_of, app, repository) if repository else ""

    def look() -> tuple[object, ...]:
        newest = app.records.glance(repository=url, limit=30)
        head = app.records.head()
        return (*((run.id, run.state, run.conclusion) for run in newest), head.seq if head else 0)

    async def said() -> AsyncIterator[bytes]:
        async for before, now in live_of(request).watch(f"any {url}", look):
            yield event("changed", {}) if before not in (None, now) else b": still here\n\n"

    return StreamingResponse(said(), media_type=EVENTS, headers=HEADERS)


@router.get("/r/{owner}/{name}/runs/{number}/events", dependencies=[Depends(need(Role.VIEWER))])
async def of_run(request: Request, app: App, owner: str, name: str, number: str) -> StreamingResponse:
    """`stages` with those that moved; `changed` when the run itself did or has other stages; `over` at its end."""
    url = await run_in_threadpool(url_of, app, f"{owner}/{name}")
    run = await run_in_threadpool(app.records.find_run, number, repository=url)

    async def said() -> AsyncIterator[bytes]:
        first = True
        async for before, now in live_of(request).watch(f"run {run.id}", lambda: app.records.pulse(run.id)):
            yield _moved(before, now, first=first)
            first = False
            if now.state is RunState.DONE:
                yield event("over", {})
                return

    return StreamingResponse(said(), media_type=EVENTS, headers=HEADERS)


def _moved(before: Pulse | None, now: Pulse, *, first: bool) -> bytes:
    """What a page has to change. The first time that is everything that has begun: the page may be older."""
    known = {stage.name: stage for stage in before.stages} if before else {}
    moved = [_told(stage) for stage in now.stages if known.get(stage.name) != stage]
    said = event("stages", moved) if moved else b": still here\n\n"
    if first or before is None:
        return said
    others = [stage.name for stage in before.stages] != [stage.name for stage in now.stages]
    return said + event("changed", {}) if others or before.state is not now.state else said


def _told(stage: StagePulse) -> dict[str, str]:
    ran = (stage.finished - stage.started).total_seconds() if stage.started and stage.finished else None
    return {
        "name": stage.name,
        "look": stage_look(stage.state, stage.conclusion),
        "word": spoken(stage.conclusion or stage.state),
        "seconds": duration(ran),
    }
