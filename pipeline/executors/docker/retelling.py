"""What a container printed before this process watched, told again with the engine's times; then what follows live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import EngineBusyError
from pipeline.executors.docker.attach import Frames, cut_off
from pipeline.model.container import Stream

if TYPE_CHECKING:
    from docker import APIClient

HEADER = 8
STREAMS = (Stream.OUT, Stream.OUT, Stream.ERR)
MILLISECONDS = 23
"""Characters of a time that count: lines of one millisecond are told together."""
LONGEST = 1 << 20
"""Bytes of a line after which it is told in parts."""
CHUNK = 256 * 1024
ROOM = 64 * 1024

Tell = Callable[[Stream, bytes, datetime], None]
Write = Callable[[Stream, bytes], None]


class Told:
    """How far the output of one container has been told, in bytes of each stream. Used by one thread at a time;
    `stop` may be called from another."""

    def __init__(self, client: APIClient, container: str) -> None:
        self._client = client
        self._container = container
        self._passed = dict.fromkeys(Stream, 0)
        self._response: Any = None
        self._stopped = False

    @property
    def total(self) -> int:
        """Bytes that were told."""
        return sum(self._passed.values())

    def past(self, tell: Tell) -> None:
        """Tell everything that the engine has in its log by now."""
        cutter = _Cutter(tell)
        self._read({"timestamps": 1}, cutter.feed)
        cutter.finish()
        for stream, count in cutter.counts.items():
            self._passed[stream] += count

    def rest(self, write: Write) -> None:
        """Hand on all that has not been told, until the container has ended.

        The engine's times go backwards between the streams and repeat, so only bytes can be counted. Following may
        lose an unterminated last line: after the end the log is read once more without following.
        """
        self._beyond(write, follow=True)
        if self._stopped:
            return
        with translating("wait for a container"):
            self._client.wait(self._container, timeout=None)
        self._beyond(write, follow=False)

    def stop(self) -> None:
        """End `rest` soon; the container may run on."""
        self._stopped = True
        if self._response is not None:
            cut_off(self._client, self._response)

    def _beyond(self, write: Write, *, follow: bool) -> None:
        skip = dict(self._passed)

        def new(stream: Stream, chunk: bytes) -> None:
            drop = min(skip[stream], len(chunk))
            skip[stream] -= drop
            if drop < len(chunk):
                self._passed[stream] += len(chunk) - drop
                write(stream, chunk[drop:] if drop else chunk)

        self._read({"follow": int(follow)}, Frames(new).feed)

    def _read(self, wanted: dict[str, int], feed: Callable[[bytes], None]) -> None:
        sdk: Any = self._client
        with translating("read a container's log"):
            response = self._response = sdk._get(
                sdk._url("/containers/{0}/logs", self._container),
                params={"stdout": 1, "stderr": 1, **wanted},
                stream=True,
                timeout=None,
            )
            try:
                sdk._raise_for_status(response)
                if not self._stopped:
                    for chunk in flow(response):
                        feed(chunk)
            except EngineBusyError:
                # what following lost is read once more; whoever stopped wants no more
                if not self._stopped and not wanted.get("follow"):
                    raise
            finally:
                self._response = None
                response.close()


class _Cutter:
    """Cuts the engine's log with times into blocks of lines of one stream and one millisecond.

    Each frame is one entry: a time, a space, a line. A line longer than the engine's buffer comes in several entries.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._rest = b""
        self._parts: list[bytes] = []
        self._current: tuple[Stream, bytes] | None = None
        self._unfinished: dict[Stream, tuple[bytes, bytes]] = {}
        self.counts = dict.fromkeys(Stream, 0)

    def feed(self, chunk: bytes) -> None:
        data = self._rest + chunk
        position, end = 0, len(data)
        while end - position >= HEADER:
            start = position + HEADER
            stop = start + int.from_bytes(data[position + 4 : start], "big")
            if stop > end:
                break
            text = data.find(b" ", start, stop) + 1
            self._entry(STREAMS[data[position]], data[start : start + MILLISECONDS], data[text:stop])
            position = stop
        self._rest = data[position:]

    def finish(self) -> None:
        self._flush()
        for stream, (time, text) in self._unfinished.items():
            self._tell(stream, text, _moment(time))
        self._unfinished.clear()

    def _entry(self, stream: Stream, time: bytes, text: bytes) -> None:
        self.counts[stream] += len(text)
        if self._unfinished and stream in self._unfinished:
            time, before = self._unfinished.pop(stream)
            text = before + text
        if not text.endswith(b"\n") and len(text) < LONGEST:
            self._unfinished[stream] = (time, text)
            return
        if (stream, time) != self._current:
            self._flush()
            self._current = (stream, time)
        self._parts.append(text)

    def _flush(self) -> None:
        if self._current is not None and self._parts:
            stream, time = self._current
            self._tell(stream, b"".join(self._parts), _moment(time))
            self._parts = []


def flow(response: Any) -> Iterator[bytes]:
    """The body in big pieces. The engine sends each line as an HTTP chunk of its own, a million of them one by one
    would take a minute. EngineBusyError when it ends before the last chunk."""
    answer = response.raw._fp
    if not getattr(answer, "chunked", False):
        yield from response.raw.stream(CHUNK)
        return
    rest = b""
    # not readinto1, which waits for more where the buffer has less than asked for (all came with the headers)
    while chunk := answer.fp.read1(ROOM):
        data, position = rest + chunk, 0
        parts: list[bytes] = []
        while (line := data.find(b"\r\n", position)) >= 0:
            end = line + 2 + int(data[position:line].partition(b";")[0], 16)
            if end == line + 2:  # the last one: the connection stays open behind it
                yield b"".join(parts)
                return
            if end + 2 > len(data):
                break
            parts.append(data[line + 2 : end])
            position = end + 2
        yield b"".join(parts)
        rest = data[position:]
    raise EngineBusyError("the engine broke off in the middle of a container's log", hint="try again: `ecluse resume`")


def _moment(text: bytes) -> datetime:
    return datetime.fromisoformat(text.decode() + "+00:00")
