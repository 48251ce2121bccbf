"""The reuse store over named pieces: entries by key, the newest entry of each stage, caches, listings of trees."""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.errors import NotFoundError, StorageError
from pipeline.model.identity import safe_name
from pipeline.ports.reuse import CacheEntry, ReuseEntry
from pipeline.ports.storage import Kept, Storage
from pipeline.storage.objects import Objects
from pipeline.storage.reuse_entry import pack, unpack_cache, unpack_entry

IN_USE = 3600.0
"""Seconds for which a piece that was used is not pruned: the run that uses it may still need it."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_LONGEST = 150


def entry_name(scope: str, key: str) -> str:
    """`entries/<scope>/<2 hex>/<62 hex>`."""
    digits = key.removeprefix("sha256:")
    return f"entries/{safe_name(scope)}/{digits[:2]}/{digits[2:]}"


class ObjectReuse:
    """Implements `pipeline.ports.reuse.ReuseStore`; costs nothing until it is asked."""

    def __init__(self, objects: Objects, storage: Storage) -> None:
        self._objects = objects
        self._storage = storage

    def find(self, key: str, scopes: Sequence[str]) -> ReuseEntry | None:
        """The entry under a key; a broken one, or one without its blobs, is dropped."""
        for scope in scopes:
            name = entry_name(scope, key)
            content = self._objects.get(name)
            if content is None:
                continue
            entry = unpack_entry(content, key)
            if entry is None or not all(map(self._storage.has, entry.blobs)):
                self._objects.delete(name)
                continue
            self._objects.touch(name)
            return entry
        return None

    def nearest(self, repository: str, stage: str, scopes: Sequence[str]) -> ReuseEntry | None:
        """The newest entry of a stage in any of the scopes."""
        found = [entry for scope in scopes if (entry := self._newest(repository, stage, scope))]
        return max(found, key=lambda entry: entry.created, default=None)

    def save(self, entry: ReuseEntry, *, repository: str, scope: str, replace: bool = False) -> None:
        """Keep an entry, and, of a known repository, that it is its stage's newest."""
        self._objects.put(entry_name(scope, entry.key), pack(entry), replace=replace)
        if repository:
            self._objects.put(_newest_name(scope, repository, entry.stage), entry.key.encode(), replace=True)

    def drop(self, key: str, scopes: Sequence[str]) -> None:
        """Forget it in all of the scopes."""
        for scope in scopes:
            self._objects.delete(entry_name(scope, key))

    def find_cache(
        self, repository: str, key: str, fallback: Sequence[str], scopes: Sequence[str]
    ) -> CacheEntry | None:
        """That of the key in any of the scopes, else the newest that starts with one of `fallback`."""
        for scope in scopes:
            found = self._cache(_cache_folder(scope, repository) + _spelled(key))
            if found is not None and found.key == key:
                return found
        for prefix in fallback:
            found = self._newest_cache(repository, prefix, scopes)
            if found is not None:
                return found
        return None

    def save_cache(self, repository: str, entry: CacheEntry, *, scope: str) -> None:
        """Keep a cache."""
        self._objects.put(_cache_folder(scope, repository) + _spelled(entry.key), pack(entry), replace=False)

    def listing(self, name: str) -> Mapping[str, str] | None:
        """Path → mode and content id; None where it is not known or was altered."""
        content = self._objects.get(_listing_name(name))
        if content is None:
            return None
        try:
            found = json.loads(zlib.decompress(content))
        except (ValueError, zlib.error):
            return None
        return found if isinstance(found, dict) else None

    def save_listing(self, name: str, files: Mapping[str, str]) -> None:
        """Keep a tree's listing."""
        self._objects.put(_listing_name(name), zlib.compress(json.dumps(dict(files)).encode(), 1), replace=False)

    def referenced_blobs(self) -> frozenset[str]:
        """What entries and caches name."""
        return frozenset(digest for _, blobs in self._all() for digest in blobs)

    def prune(self, *, before: datetime, most: int) -> int:
        """By last use, then by size."""
        now = time.time()
        kept = sorted(self._all(), key=lambda item: item[0].used, reverse=True)
        sizes: dict[str, int] = {}
        dropped = 0
        for item, blobs in kept:
            fresh = {digest: self._size(digest) for digest in blobs if digest not in sizes}
            in_use = item.used > now - IN_USE
            fits = sum(sizes.values()) + sum(fresh.values()) <= most
            if in_use or (fits and item.used >= before.timestamp()):
                sizes |= fresh
            else:
                self._objects.delete(item.name)
                dropped += 1
        for folder in ("newest/", "trees/"):
            for item in self._objects.names(folder):
                if item.used < before.timestamp():
                    self._objects.delete(item.name)
        return dropped

    def close(self) -> tuple[str, ...]:
        """Nothing is under way."""
        return ()

    def _newest(self, repository: str, stage: str, scope: str) -> ReuseEntry | None:
        key = self._objects.get(_newest_name(scope, repository, stage))
        if key is None:
            return None
        name = key.decode(errors="replace")
        content = self._objects.get(entry_name(scope, name)) if name.startswith("sha256:") and "/" not in name else None
        return unpack_entry(content, name) if content is not None else None

    def _cache(self, name: str) -> CacheEntry | None:
        content = self._objects.get(name)
        if content is None:
            return None
        cache = unpack_cache(content)
        if cache is None or not self._storage.has(cache.digest):
            self._objects.delete(name)
            return None
        self._objects.touch(name)
        return cache

    def _newest_cache(self, repository: str, prefix: str, scopes: Sequence[str]) -> CacheEntry | None:
        folders = [_cache_folder(scope, repository) for scope in scopes]
        begin = _spelled(prefix, whole=False)
        names = [item.name for folder in folders for item in self._objects.names(folder) if begin in item.name]
        candidates = [
            (cache, name)
            for name in names
            if (content := self._objects.get(name))
            and (cache := unpack_cache(content))
            and cache.key.startswith(prefix)
        ]
        for _, name in sorted(candidates, key=lambda pair: pair[0].created, reverse=True):
            found = self._cache(name)
            if found is not None:
                return found
        return None

    def _all(self) -> Iterator[tuple[Kept, tuple[str, ...]]]:
        """Every entry and cache with the blobs it names; what cannot be read names none and so costs nothing."""
        for item in self._objects.names("entries/"):
            entry = unpack_entry(self._objects.get(item.name) or b"")
            yield item, entry.blobs if entry else ()
        for item in self._objects.names("caches/"):
            cache = unpack_cache(self._objects.get(item.name) or b"")
            yield item, (cache.digest,) if cache else ()

    def _size(self, digest: str) -> int:
        try:
            return self._storage.size(digest)
        except (NotFoundError, StorageError):
            return 0


def _newest_name(scope: str, repository: str, stage: str) -> str:
    digits = hashlib.sha256(f"{repository} {stage}".encode()).hexdigest()
    return f"newest/{safe_name(scope)}/{digits[:40]}"


def _cache_folder(scope: str, repository: str) -> str:
    return f"caches/{safe_name(scope)}/{hashlib.sha256(repository.encode()).hexdigest()[:24]}/"


def _listing_name(name: str) -> str:
    return f"trees/{safe_name(name)}"


def _spelled(key: str, *, whole: bool = True) -> str:
    """A cache key as a name that begins as the key does; long ones end in a digest, of which a beginning knows none."""
    text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in key.encode())
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST] + ("~" + hashlib.sha256(key.encode()).hexdigest()[:16] if whole else "")
