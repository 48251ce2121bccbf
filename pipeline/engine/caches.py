"""Caches of a stage: paths of its container that come from earlier runs before it starts, and go to later ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from posixpath import dirname, normpath
from posixpath import join as joined
from typing import TYPE_CHECKING

from pipeline.errors import EcluseError, StorageError
from pipeline.model.container import WORKSPACE
from pipeline.model.duration import spell_duration, spell_size
from pipeline.model.trust import reads_from, writes_to
from pipeline.ports.reuse import CacheEntry

if TYPE_CHECKING:
    from pipeline.model.definition import CacheRule
    from pipeline.model.source import Event
    from pipeline.ports.clock import Clock
    from pipeline.ports.executor import ContainerFiles
    from pipeline.ports.reuse import ReuseStore
    from pipeline.ports.storage import Storage

_CHUNK = 1 << 20
_MAGIC = b"ecluse cache 1\n"
_SIZE = 4


class _TooLargeError(Exception):
    """An archive passed the limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCaches:
    """The caches of one attempt. Nothing here fails a stage: what goes wrong is noted in its log."""

    rules: Sequence[CacheRule]
    store: Callable[[], ReuseStore]
    storage: Storage
    repository: str
    event: Event
    clock: Clock
    limit: int
    """Bytes that one archive may have."""
    note: Callable[[str], None]

    def restore(self, files: ContainerFiles) -> None:
        """Put in what is kept under each key, or under the first of its fallbacks that has anything."""
        for rule in self.rules:
            self._guarded(rule, lambda rule=rule: self._restore(rule, files))  # type: ignore[misc]

    def save(self, files: ContainerFiles) -> None:
        """Keep the paths under each key that has nothing yet."""
        for rule in self.rules:
            self._guarded(rule, lambda rule=rule: self._save(rule, files))  # type: ignore[misc]

    def _guarded(self, rule: CacheRule, work: Callable[[], None]) -> None:
        try:
            work()
        except EcluseError as error:
            self.note(f"cache '{rule.key}': {error.message}; the stage goes on without it")
        except _TooLargeError:
            self.note(f"cache '{rule.key}': larger than {spell_size(self.limit)} (setting cache_limit), not kept")

    def _restore(self, rule: CacheRule, files: ContainerFiles) -> None:
        began = time.monotonic()
        found = self.store().find_cache(self.repository, rule.key, rule.fallback, self._scopes())
        if found is None:
            self.note(f"cache '{rule.key}': nothing kept yet")
            return
        self._prove(found.digest)
        with closing(self.storage.open(found.digest)) as content:
            for path, archive in _unpacked(_blocks(content.read)):
                if path in rule.paths:  # another stage may keep other paths under such a key
                    files.put(dirname(_absolute(path)), archive)
        instead = "" if found.key == rule.key else f" from '{found.key}'"
        took = spell_duration(time.monotonic() - began)
        self.note(f"cache '{rule.key}': restored {spell_size(found.size)}{instead} in {took}")

    def _prove(self, digest: str) -> None:
        """Read an archive to its end, where its digest is checked: half a cache must not get into a container. One
        that is damaged is dropped."""
        try:
            with closing(self.storage.open(digest)) as content:
                while content.read(_CHUNK):
                    pass
        except StorageError:
            self.storage.delete(digest)
            raise

    def _save(self, rule: CacheRule, files: ContainerFiles) -> None:
        if self.store().find_cache(self.repository, rule.key, (), self._scopes()) is not None:
            return
        began = time.monotonic()
        present: list[str] = []
        digest, size = self.storage.put(self._bounded(_packed(rule.paths, files, present)))
        if not present:
            self.note(f"cache '{rule.key}': none of {', '.join(rule.paths)} is there, nothing kept")
            return
        entry = CacheEntry(key=rule.key, digest=digest, size=size, created=self.clock.now(), paths=tuple(present))
        self.store().save_cache(self.repository, entry, scope=writes_to(self.event.trust, self.event.proposal))
        self.note(f"cache '{rule.key}': kept {spell_size(size)} in {spell_duration(time.monotonic() - began)}")

    def _scopes(self) -> tuple[str, ...]:
        return reads_from(self.event.trust, self.event.proposal)

    def _bounded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        room = self.limit
        for chunk in chunks:
            room -= len(chunk)
            if room < 0:
                raise _TooLargeError
            yield chunk


def _absolute(path: str) -> str:
    return normpath(joined(WORKSPACE, path))


def _packed(paths: Sequence[str], files: ContainerFiles, present: list[str]) -> Iterator[bytes]:
    """An archive: a mark, then for each path that is there a line with its name and its tar stream in sized blocks,
    ended by an empty one."""
    yield _MAGIC
    for path in paths:
        archive = files.get(_absolute(path))
        if archive is None:
            continue
        present.append(path)
        yield json.dumps({"path": path}).encode() + b"\n"
        for chunk in archive:
            if chunk:
                yield len(chunk).to_bytes(_SIZE)
                yield chunk
        yield bytes(_SIZE)


def _unpacked(blocks: Iterator[bytes]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The paths of an archive with their tar streams; each has to be read before the next is asked for."""
    source = _Source(blocks)
    if source.line() != _MAGIC:
        raise StorageError("what is kept is no cache")
    while line := source.line():
        try:
            path = json.loads(line)["path"]
        except (ValueError, KeyError, TypeError):
            raise StorageError("what is kept is no cache") from None
        stream = _sized(source)
        yield path, stream
        for _ in stream:
            pass


def _sized(source: _Source) -> Iterator[bytes]:
    while size := int.from_bytes(source.exactly(_SIZE)):
        yield source.exactly(size)


def _blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(_CHUNK):
        yield chunk


class _Source:
    """Blocks cut anywhere, read by lines and sizes."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""
        self._at = 0

    def line(self) -> bytes:
        """Up to and with the next line end; b"" at the end."""
        while (end := self._rest.find(b"\n", self._at)) < 0:
            if not self._more():
                return b""
        return self.exactly(end + 1 - self._at)

    def exactly(self, size: int) -> bytes:
        """So many bytes; StorageError when there are fewer."""
        while len(self._rest) - self._at < size:
            if not self._more():
                raise StorageError("what is kept of the cache ends too early")
        self._at += size
        return self._rest[self._at - size : self._at]

    def _more(self) -> bool:
        block = next(self._blocks, b"")
        self._rest, self._at = self._rest[self._at :] + block, 0
        return bool(block)
