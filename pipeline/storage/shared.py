"""Results and caches of several machines: this machine's own store, with a shared one behind it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TypeVar

from pipeline.errors import EcluseError, NotFoundError, StorageError
from pipeline.ports.reuse import CacheEntry, ReuseEntry
from pipeline.ports.storage import Storage
from pipeline.storage.objects import Objects
from pipeline.storage.reuse import ObjectReuse

PATIENCE = 300.0
"""Seconds that the end of a run waits for what is still being sent."""

Found = TypeVar("Found")


class Link:
    """The way to the shared store: after a failure it is left alone, for `again` seconds where that is set, else by
    this process for good. With `sends`, what is stored here goes there at once."""

    def __init__(self, objects: Objects, monotonic: Callable[[], float]) -> None:
        self._objects = objects
        self._monotonic = monotonic
        self._failed = 0.0
        self.problem = ""
        self.again: float | None = None
        self.sends = False

    def ask(self, question: Callable[[Objects], Found], otherwise: Found) -> Found:
        """The answer, or `otherwise` where nobody answers."""
        if self.problem and (self.again is None or self._monotonic() - self._failed < self.again):
            return otherwise
        try:
            answer = question(self._objects)
        except EcluseError as error:
            self.problem, self._failed = error.message, self._monotonic()
            return otherwise
        self.problem = ""
        return answer


class SharedStorage:
    """Implements `pipeline.ports.storage.Storage`: this machine's, and what is missing there is fetched when it is
    read. What is fetched is believed only if it has the digest that it is asked for by."""

    def __init__(self, own: Storage, link: Link) -> None:
        self._own = own
        self._link = link

    def put(self, content: IO[bytes] | Iterable[bytes]) -> tuple[str, int]:
        """Into this machine's."""
        digest, size = self._own.put(content)
        self._send(digest)
        return digest, size

    def adopt(self, path: Path, digest: str) -> None:
        """Into this machine's."""
        self._own.adopt(path, digest)
        self._send(digest)

    def open(self, digest: str) -> IO[bytes]:
        """Read a blob, fetched where it is not here yet."""
        if not self._own.has(digest):
            self._fetch(digest)
        return self._own.open(digest)

    def head(self, digest: str, size: int) -> bytes:
        """Of what is here: who looks through many blobs fetches none."""
        return self._own.head(digest, size)

    def has(self, digest: str) -> bool:
        """Whether it is here or there; StorageError where that cannot be known."""
        if self._own.has(digest):
            return True
        there = self._link.ask(lambda objects: int(objects.has(blob_name(digest))), otherwise=-1)
        if there < 0:
            raise StorageError(f"blob {digest} is not here, and the shared store cannot be asked: {self._link.problem}")
        return bool(there)

    def size(self, digest: str) -> int:
        """Bytes; those of a blob that is not here are fetched for it."""
        if not self._own.has(digest):
            self._fetch(digest)
        return self._own.size(digest)

    def digests(self) -> Iterator[str]:
        """What is here."""
        return self._own.digests()

    def delete(self, digest: str) -> None:
        """Only here."""
        self._own.delete(digest)

    def _send(self, digest: str) -> None:
        """Also there, before anybody hears of it: whoever reads of it elsewhere finds it."""
        if self._link.sends:
            self._link.ask(lambda objects: send_blob(objects, self._own, digest), otherwise=None)

    def _fetch(self, digest: str) -> None:
        name = blob_name(digest)

        def take(objects: Objects) -> str | None:
            chunks = objects.fetch(name)
            return None if chunks is None else self._own.put(chunks)[0]

        got = self._link.ask(take, otherwise=None)
        if got is None:
            raise NotFoundError(f"blob {digest} is not stored", hint="it may have been removed by `ecluse gc`")
        if got != digest:
            self._own.delete(got)
            self._link.ask(lambda objects: objects.delete(name), otherwise=None)
            raise StorageError(
                f"blob {digest} of the shared store is damaged, and was dropped there", hint="run what made it again"
            )


class SharedReuse:
    """Implements `pipeline.ports.reuse.ReuseStore`: this machine's store answers first; what it does not know the
    shared one is asked for. New results go there behind the scenes, their blobs before their entry.

    A shared store that fails, fails nothing: it is left alone from then on, and `close` says so.
    """

    def __init__(self, own: ObjectReuse, link: Link, storage: Storage) -> None:
        self._own = own
        self._link = link
        self._storage = storage
        self._jobs: queue.SimpleQueue[Callable[[Objects], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def find(self, key: str, scopes: Sequence[str]) -> ReuseEntry | None:
        """Here, then there; what is found there is remembered here."""
        try:
            own = self._own.find(key, scopes)
        except StorageError:
            own = None
        if own is not None:
            return own
        for scope in scopes:
            found = self._find_there(key, scope)
            if found is not None:
                self._own.save(found, repository="", scope=scope)
                return found
        return None

    def nearest(self, repository: str, stage: str, scopes: Sequence[str]) -> ReuseEntry | None:
        """Here, then there."""
        return self._own.nearest(repository, stage, scopes) or self._link.ask(
            self._there(lambda there: there.nearest(repository, stage, scopes)), otherwise=None
        )

    def save(self, entry: ReuseEntry, *, repository: str, scope: str, replace: bool = False) -> None:
        """Here at once, there later."""
        self._own.save(entry, repository=repository, scope=scope, replace=replace)

        def send(objects: Objects) -> None:
            self._send_blobs(objects, entry.blobs)
            ObjectReuse(objects, self._storage).save(entry, repository=repository, scope=scope, replace=replace)

        self._later(send)

    def drop(self, key: str, scopes: Sequence[str]) -> None:
        """Here and there."""
        self._own.drop(key, scopes)
        self._link.ask(self._there(lambda there: there.drop(key, scopes)), otherwise=None)

    def find_cache(
        self, repository: str, key: str, fallback: Sequence[str], scopes: Sequence[str]
    ) -> CacheEntry | None:
        """The key here, then there; then the fallbacks here, then there."""
        for prefixes in ((), tuple(fallback)):
            own = self._own.find_cache(repository, key, prefixes, scopes)
            if own is not None:
                return own
            found = self._find_cache_there(repository, key, prefixes, scopes)
            if found is not None:
                return found
        return None

    def save_cache(self, repository: str, entry: CacheEntry, *, scope: str) -> None:
        """Here at once, there later."""
        self._own.save_cache(repository, entry, scope=scope)

        def send(objects: Objects) -> None:
            self._send_blobs(objects, (entry.digest,))
            ObjectReuse(objects, self._storage).save_cache(repository, entry, scope=scope)

        self._later(send)

    def listing(self, name: str) -> Mapping[str, str] | None:
        """Here, then there."""
        return self._own.listing(name) or self._link.ask(self._there(lambda there: there.listing(name)), otherwise=None)

    def save_listing(self, name: str, files: Mapping[str, str]) -> None:
        """Here at once, there later."""
        self._own.save_listing(name, files)
        self._later(lambda objects: ObjectReuse(objects, self._storage).save_listing(name, files))

    def referenced_blobs(self) -> frozenset[str]:
        """What this machine's entries name."""
        return self._own.referenced_blobs()

    def prune(self, *, before: datetime, most: int) -> int:
        """Only here: a shared store is pruned by whoever runs it, a bucket by its own rules."""
        return self._own.prune(before=before, most=most)

    def close(self) -> tuple[str, ...]:
        """Wait until all is sent; whether the shared store failed."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            thread.join(PATIENCE)
            if thread.is_alive():
                return ("the shared store is too slow: not all results were sent to it",)
        return (f"the shared store was left alone: {self._link.problem}",) if self._link.problem else ()

    def _find_there(self, key: str, scope: str) -> ReuseEntry | None:
        return self._link.ask(self._there(lambda there: there.find(key, (scope,))), otherwise=None)

    def _find_cache_there(
        self, repository: str, key: str, fallback: Sequence[str], scopes: Sequence[str]
    ) -> CacheEntry | None:
        ask = self._there(lambda there: there.find_cache(repository, key, fallback, scopes))
        return self._link.ask(ask, otherwise=None)

    def _there(self, question: Callable[[ObjectReuse], Found]) -> Callable[[Objects], Found]:
        return lambda objects: question(ObjectReuse(objects, self._storage))

    def _later(self, job: Callable[[Objects], None]) -> None:
        with self._lock:
            self._jobs.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="sharing", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._link.ask(job, otherwise=None)

    def _send_blobs(self, objects: Objects, digests: Sequence[str]) -> None:
        for digest in digests:
            send_blob(objects, self._storage, digest)


def send_blob(objects: Objects, storage: Storage, digest: str) -> None:
    """Bring a blob there, where it is not there yet."""
    name = blob_name(digest)
    if not objects.has(name):
        with storage.open(digest) as content:
            objects.send(name, content, storage.size(digest))


def blob_name(digest: str) -> str:
    """`blobs/<2 hex>/<62 hex>`."""
    digits = digest.removeprefix("sha256:")
    return f"blobs/{digits[:2]}/{digits[2:]}"
