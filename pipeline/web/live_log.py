"""A growing log and those who follow it: it is read and made into events once, whoever many there are."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.status import RunState, StageState
from pipeline.operations.log_elsewhere import copy_of, paper_here, refreshed
from pipeline.operations.log_window import LogPaper
from pipeline.operations.watch import FolderWatch
from pipeline.web.live_rights import Stream
from pipeline.web.pages.log_lines import shown

if TYPE_CHECKING:
    from pipeline.ports.application import Application

_BLOCK = 256 * 1024
_KEPT = 256
"""Blocks of lines that are kept for those who are a little behind; others read the file."""
_GATHER = 0.1
"""Seconds for which lines are gathered before they are told."""
_PATIENCE = 1.0
_MARK = 256
"""Bytes by which it is seen whether two logs are the same up to there."""
_BEHIND = 2000
"""Lines that somebody who is behind gets at once."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines `first` to `last` as an event."""

    first: int
    last: int
    event: bytes


def log_key(run: str, paper: LogPaper) -> str:
    """What tells one log from another."""
    return f"{run} {paper.attempt} {paper.stage}"


class LogTopic:
    """One log. `follow` is for the event loop; a thread of its own reads as long as there is a follower."""

    def __init__(self, app: Application, run: str, paper: LogPaper, loop: asyncio.AbstractEventLoop) -> None:
        self.followers: set[Stream] = set()
        self._app = app
        self._run = run
        self._paper = paper
        self._loop = loop
        self._blocks: deque[Block] = deque(maxlen=_KEPT)
        self._total = 0
        self._age = 0
        """Grows when the log begins anew."""
        self._marks: list[tuple[int, int]] = [(1, 0)]
        """Line and its place in the file, now and then."""
        self._over = False
        self._copied, self._brought = "", 0.0
        """The age of the copy, where the log grows elsewhere, and when it was brought up to date."""
        self._other = False
        """Whether the stored log is not the one that was copied."""
        self._counted = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="live-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the file; nobody follows any more."""
        self._closed.set()

    async def follow(self, stream: Stream, after: int) -> AsyncIterator[bytes]:
        """Whole events, none left out, however slowly somebody takes them; until the stream is cut."""
        self.followers.add(stream)
        age = self._age
        try:
            while stream.cut is None:
                stream.woken.clear()
                if self._counted and (age != self._age or after > self._total):
                    age, after = self._age, 0
                    yield b"id: 0\nevent: again\ndata: {}\n\n"
                while after < self._total and age == self._age and stream.cut is None:
                    after, said = await self._next(after)
                    yield said
                if age == self._age and self._over and after >= self._total:
                    yield b"event: over\ndata: {}\n\n"
                    return
                if not await stream.waits():
                    yield b": still here\n\n"
        finally:
            self.followers.discard(stream)

    async def _next(self, after: int) -> tuple[int, bytes]:
        """The events behind a line, from memory where it still has them, else from the file."""
        blocks = [block for block in self._blocks if block.first > after]
        if blocks and blocks[0].first == after + 1:
            return blocks[-1].last, b"".join(block.event for block in blocks)
        until = blocks[0].first - 1 if blocks else self._total
        until = min(until, after + _BEHIND)
        lines = await run_in_threadpool(self._from_file, after + 1, until)
        return after + max(len(lines), 1), _event(after + 1, lines)

    def _from_file(self, first: int, last: int) -> list[bytes]:
        marks = list(self._marks)
        line, place = marks[max(0, bisect_right(marks, (first, 1 << 62)) - 1)]
        with self._opened() as file:
            file.seek(place)
            rest = b""
            found: list[bytes] = []
            while line <= last and (chunk := file.read(_BLOCK)):
                *whole, rest = (rest + chunk).split(b"\n")
                found += whole[max(0, first - line) : max(0, last - line + 1)]
                line += len(whole)
            if rest and line <= last:
                found.append(rest)
            return found

    def _opened(self) -> IO[bytes]:
        """The file, wherever it is by now."""
        try:
            return self._paper.open(self._app.storage)
        except NotFoundError:
            self._paper = self._paper_now()
            return self._paper.open(self._app.storage)

    def _paper_now(self) -> LogPaper:
        run = self._app.records.find_run(self._run)
        return paper_here(self._app, run, self._paper.stage, attempt=self._paper.attempt)

    # In the thread -------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._tail()
        except (EcluseError, OSError):
            self._said([], self._total, over=True)

    def _tail(self) -> None:
        file: IO[bytes] | None = None
        watch = FolderWatch(self._paper.path.parent)
        total, rest, asked, over, first_time = 0, b"", 0.0, False, True
        try:
            while not self._closed.is_set():
                if file is None:
                    file = self._open_when_there()
                if file is not None:
                    if self._begins_anew(file):
                        file.seek(0)
                        total, rest, self._marks = 0, b"", [(1, 0)]
                        self._said([], 0, anew=True)
                    first = total + 1
                    lines, rest, total = self._taken(file, rest, total, first_time=first_time, over=over)
                    self._said(lines, total, first=first)
                    first_time = False
                if over:
                    self._said([], total, over=True)
                    return
                changed = watch.wait(_PATIENCE)
                if changed:
                    self._closed.wait(_GATHER)
                if not changed or time.monotonic() - asked > _PATIENCE:
                    asked = time.monotonic()
                    over = self._ended()
                    file = self._stored(file) if over else file
        finally:
            watch.close()
            if file is not None:
                file.close()

    def _begins_anew(self, file: IO[bytes]) -> bool:
        """Whether what was read does not count any more. A copy of another machine's log is brought up to date here."""
        if self._paper.digest:
            other, self._other = self._other, False
            return other
        if self._is_copy and time.monotonic() - self._brought >= _PATIENCE:
            self._brought = time.monotonic()
            age = refreshed(self._app, self._paper.path)
            before, self._copied = self._copied, age or self._copied
            if before and age and age != before:
                return True
        return os.fstat(file.fileno()).st_size < file.tell()

    def _stored(self, file: IO[bytes] | None) -> IO[bytes] | None:
        """Once it is over, the stored log from where a copy was read to: the last lines are in it alone."""
        if not self._is_copy or file is None:
            return file
        try:
            paper = self._paper_now()
            whole = paper.open(self._app.storage) if paper.digest else None
        except EcluseError:
            return file
        if whole is None:
            return file
        place = file.tell()
        file.seek(max(0, place - _MARK))
        whole.seek(file.tell())
        self._other = file.read(_MARK) != whole.read(_MARK)
        file.close()
        whole.seek(place)
        self._paper = paper
        return whole

    @property
    def _is_copy(self) -> bool:
        """Whether it grows on another machine."""
        return not self._paper.digest and self._paper.path == copy_of(
            self._app.settings.home, self._run, self._paper.path.name
        )

    def _open_when_there(self) -> IO[bytes] | None:
        try:
            return self._opened()
        except NotFoundError:
            self._closed.wait(_PATIENCE)
            return None

    def _taken(
        self, file: IO[bytes], rest: bytes, total: int, *, first_time: bool, over: bool
    ) -> tuple[list[bytes], bytes, int]:
        """What has come. The first time it is only counted: the followers read what they lack themselves."""
        lines: list[bytes] = []
        while chunk := file.read(_BLOCK):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if not newline:
                continue
            total += whole.count(b"\n") + 1
            if not first_time:
                lines += whole.split(b"\n")
            self._marks.append((total + 1, file.tell() - len(rest)))
        if over and rest:
            total += 1
            lines += [] if first_time else [rest]
            rest = b""
        return lines, rest, total

    def _ended(self) -> bool:
        """Whether nothing more comes: the attempt has a successor, its stage is done, or its run has ended."""
        pulse = self._app.records.pulse(self._run)
        stage = next((item for item in pulse.stages if item.name == self._paper.stage), None)
        done = stage is None or stage.state is StageState.DONE or stage.attempts > self._paper.attempt
        return done or pulse.state in (RunState.DONE, RunState.PARKED)

    def _said(self, lines: list[bytes], total: int, *, first: int = 0, over: bool = False, anew: bool = False) -> None:
        blocks = [
            Block(first + at, first + at + len(part) - 1, _event(first + at, part))
            for at in range(0, len(lines), _BEHIND)
            if (part := lines[at : at + _BEHIND])
        ]
        age = self._age + 1 if anew else self._age
        self._loop.call_soon_threadsafe(lambda: self._tell(blocks, total, over=over, age=age))

    def _tell(self, blocks: list[Block], total: int, *, over: bool, age: int) -> None:
        """In the event loop: what has come is there for all at once."""
        if age != self._age:
            self._blocks.clear()
        news = over or age != self._age or total != self._total or not self._counted
        self._blocks.extend(blocks)
        self._total, self._age, self._over = total, age, self._over or over
        self._counted = True
        if news:
            for stream in self.followers:
                stream.woken.set()


def _event(first: int, lines: list[bytes]) -> bytes:
    """Its id is the last line: who comes back asks for what is behind it."""
    body = {"first": first, "lines": [shown(line) for line in lines]}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"id: {first + len(lines) - 1}\nevent: lines\ndata: {text}\n\n".encode("utf-8", "replace")
