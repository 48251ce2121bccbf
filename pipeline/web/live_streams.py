"""The open streams of a process: one look at the records or a log serves everybody who watches it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from pipeline.errors import EcluseError
from pipeline.web.live_log import LogTopic
from pipeline.web.live_rights import Cut, Follower, Stream, Watchman, refused

if TYPE_CHECKING:
    from pipeline.operations.log_window import LogPaper
    from pipeline.ports.application import Application

EVERY = 0.5
"""Seconds between two looks at what is watched."""
ALIVE = b": still here\n\n"
MOST = 5000
"""Streams at a time in one process."""
MOST_OF_ONE = 1000
"""And of one person, in all their browsers and programs."""
_IDLE = 20
_LOG = logging.getLogger(__name__)


def event(name: str, body: object, *, id: str = "") -> bytes:  # noqa: A002 - the field's name
    """One event; JSON has no line ends of its own. A browser that comes back says the last `id` that it got."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


@dataclass(slots=True)
class Watched:
    """Something that is looked at again and again: `seen` changes, and all `streams` are woken."""

    look: Callable[[], Any]
    seen: Any = None
    streams: set[Stream] = field(default_factory=set)


class Live:
    """All streams of a process. Methods are called in the event loop, but for `move` and `close`; one thread looks at
    the records."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._watched: dict[str, Watched] = {}
        self._logs: dict[str, LogTopic] = {}
        self._open: dict[tuple[str, str], set[Stream]] = {}
        self._watchman = Watchman(app)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False
        self._thread: threading.Thread | None = None
        self._stir = threading.Event()
        self.streams = 0

    def move(self) -> None:
        """End all streams that are open: browsers come back at once, by a proxy to the next server. From any thread."""
        self._in_loop(self._cut_all)

    def close(self) -> None:
        """The same, and nobody may come back here: so that the process can end. From any thread."""
        self._over = True
        self._stir.set()
        self._in_loop(self._cut_all)

    def check_room(self, login: str) -> None:
        """503 where there is none, 429 where this person has all that one may have: to be asked before the answer
        begins."""
        if self.streams >= MOST:
            raise HTTPException(503, f"{MOST} streams are open already", headers={"Retry-After": "30"})
        groups = (streams for streams in self._open.values() if streams)
        own = (len(streams) for streams in groups if next(iter(streams)).follower.principal.login == login)
        if sum(own) >= MOST_OF_ONE:
            raise HTTPException(429, f"you have {MOST_OF_ONE} streams open already", headers={"Retry-After": "30"})

    async def watch(
        self,
        follower: Follower,
        key: str,
        look: Callable[[], Any],
        tell: Callable[[Any, Any], bytes],
        *,
        ends: Callable[[Any], bool] = lambda _: False,
    ) -> AsyncIterator[bytes]:
        """What `tell(before, now)` says each time that `look` gives something else, with `None` before the first; at
        the end `over`, or `cut` where the follower may no longer follow."""
        stream = self._enter(follower)
        watched = self._watched.setdefault(key, Watched(look=look))
        watched.streams.add(stream)
        last: Any = None
        try:
            yield opening()
            if watched.seen is None:
                watched.seen = await run_in_threadpool(look)
            while stream.cut is None:
                stream.woken.clear()
                if watched.seen != last:
                    before, last = last, watched.seen
                    yield tell(before, last)
                elif ends(last):
                    yield event("over", {})
                    return
                elif not await stream.waits():
                    yield ALIVE
            yield cut(stream.cut)
        finally:
            self._leave(stream)
            watched.streams.discard(stream)
            if not watched.streams and self._watched.get(key) is watched:
                del self._watched[key]

    async def follow_log(
        self, follower: Follower, key: str, *, run: str, paper: LogPaper, after: int
    ) -> AsyncIterator[bytes]:
        """Events `lines` with what comes behind `after`, `again` where the log begins anew, at the end `over`, or
        `cut` where the follower may no longer follow."""
        stream = self._enter(follower)
        topic = self._logs.get(key)
        if topic is None:
            topic = self._logs[key] = LogTopic(self._app, run, paper, asyncio.get_running_loop())
        try:
            yield opening()
            async for block in topic.follow(stream, after):
                yield block
            if stream.cut is not None:
                yield cut(stream.cut)
        finally:
            self._leave(stream)
            if not topic.followers and self._logs.get(key) is topic:
                del self._logs[key]
                topic.close()

    def _enter(self, follower: Follower) -> Stream:
        self.streams += 1
        stream = Stream(follower=follower)
        self._open.setdefault(follower.key, set()).add(stream)
        if self._over:
            stream.end(Cut.MOVED)
        self._begin()
        return stream

    def _leave(self, stream: Stream) -> None:
        self.streams -= 1
        same = self._open.get(stream.follower.key, set())
        same.discard(stream)
        if not same:
            self._open.pop(stream.follower.key, None)

    def _in_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _cut_all(self) -> None:
        for streams in self._open.values():
            for stream in streams:
                stream.end(Cut.MOVED)

    def _begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._look_around, name="live", daemon=True)
            self._thread.start()
        self._stir.set()

    # In the thread -------------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Until nobody has watched anything for a while."""
        idle = 0
        while not self._over and idle < _IDLE:
            self._stir.wait(EVERY) if idle else threading.Event().wait(EVERY)
            self._stir.clear()
            watched, guarded = list(self._watched.values()), list(self._open)
            idle = 0 if watched or guarded else idle + 1
            for item in watched:
                self._try(partial(self._look_at, item))
            if guarded:
                self._try(self._ask_rights)

    def _try(self, look: Callable[[], None]) -> None:
        try:
            look()
        except EcluseError as error:
            _LOG.warning("pages cannot be kept up to date: %s", error.message)

    def _look_at(self, item: Watched) -> None:
        seen = item.look()
        if seen != item.seen:
            self._in_loop(lambda: _show(item, seen))

    def _ask_rights(self) -> None:
        """Of each follower once, however many streams they have; where the records do not answer, nothing is cut."""
        if not self._watchman.due():
            return
        for streams in list(self._open.values()):
            follower = next((stream.follower for stream in list(streams)), None)
            why = refused(self._app, follower) if follower is not None else None
            if why is not None:
                self._in_loop(partial(_end, streams, why))


def opening() -> bytes:
    """How a stream begins: a browser that loses it comes back after so many milliseconds, not all of them at once."""
    import random

    return f"retry: {random.randint(500, 2500)}\n\n".encode()  # noqa: S311 - spreads them, and guards nothing


def cut(why: Cut) -> bytes:
    """The last words of a stream that is cut: none where the browser is to come back."""
    return b"" if why is Cut.MOVED else event("cut", {"why": why.value})


def _show(watched: Watched, seen: Any) -> None:
    watched.seen = seen
    for stream in watched.streams:
        stream.woken.set()


def _end(streams: set[Stream], why: Cut) -> None:
    for stream in streams:
        stream.end(why)
