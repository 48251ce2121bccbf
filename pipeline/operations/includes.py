"""Where included files come from: the repository itself as the run sees it, or another one as the lock file pins it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.model.trust import Trust
from pipeline.operations.lockfile import Key, Pin, lock_of, read_lock
from pipeline.operations.source import without_credentials
from pipeline.ports.includes import Place, Wanted
from pipeline.settings import Settings

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.operations.include_mirror import IncludeMirror

_LOCK_LIMIT = 1024 * 1024


class RepositoryIncludes:
    """Includes of the pipeline file `file` of a repository: at `commit`, or of its working tree when that is "".

    `trust` is asked for once, and only when another repository is included: an untrusted run uses no credentials.
    With `relock` branches and tags are resolved anew, and `pins` has what they mean when all is read.
    """

    def __init__(
        self,
        settings: Settings,
        root: Path,
        file: str,
        *,
        commit: str = "",
        trust: Callable[[], Trust],
        relock: bool = False,
    ) -> None:
        self._settings = settings
        self._root = root
        self._commit = commit
        self._trust = trust
        self._relock = relock
        self._lock_name = lock_of(file)
        self._asked: list[tuple[Wanted, Place]] = []
        self._digests: dict[Place, str] = {}

    def place(self, wanted: Wanted, *, by: Place) -> Place:
        """Where it lies; a branch or a tag must be pinned."""
        from pipeline.operations.repository_files import safe_path

        file = safe_path(wanted.file)
        if not wanted.git:
            return Place(file=file, git=by.git, commit=by.commit)
        from pipeline.operations.include_mirror import is_commit

        self._mirror.allow(wanted.git)
        if is_commit(wanted.ref):
            return Place(file=file, git=wanted.git, commit=wanted.ref)
        key = (wanted.git, wanted.ref, file)
        if self._relock:
            place = Place(file=file, git=wanted.git, commit=self._mirror.resolve(wanted.git, wanted.ref))
            self._asked.append((wanted, place))
            return place
        pinned = self._lock.get(key)
        if pinned is None:
            raise UsageError(
                f"'{wanted.ref}' of {without_credentials(wanted.git)} is not pinned in {self._lock_name}",
                hint=f"run `ecluse check --lock` and commit {self._lock_name}, or write a full commit id as 'ref'",
            )
        return Place(file=file, git=wanted.git, commit=pinned.commit, digest=pinned.digest)

    def read(self, place: Place, *, limit: int) -> bytes:
        """Its content."""
        if place.git:
            return self._of_another(place, limit)
        from pipeline.operations.repository_files import file_of_commit, file_of_tree

        if not self._commit:
            return file_of_tree(self._root, place.file, limit=limit)
        content = file_of_commit(self._root, self._commit, place.file, limit=limit)
        if content is None:
            raise UsageError(
                f"commit {self._commit[:12]} has no file {place.file}", hint="paths begin at the repository's root"
            )
        return content

    def _of_another(self, place: Place, limit: int) -> bytes:
        content = self._mirror.content(place.git, place.commit, place.file, limit=limit)
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if place.digest and place.digest != digest:
            raise UsageError(
                f"{place.name} is not what {self._lock_name} pins: its content differs",
                hint=f"look at what changed; `ecluse check --lock` pins it anew in {self._lock_name}",
            )
        self._digests[place] = digest
        return content

    @property
    def pins(self) -> tuple[Pin, ...]:
        """With `relock`: what the branches and tags that were read mean now."""
        return tuple(
            Pin(git=place.git, ref=wanted.ref, file=place.file, commit=place.commit, digest=self._digests[place])
            for wanted, place in self._asked
            if place in self._digests
        )

    @cached_property
    def _mirror(self) -> IncludeMirror:
        from pipeline.operations.include_mirror import IncludeMirror

        return IncludeMirror(
            self._settings.home / "cache",
            protocols=frozenset(self._settings.include_protocols),
            credentials=self._trust() is not Trust.UNTRUSTED,
            private_hosts=self._settings.private_hosts,
        )

    @cached_property
    def _lock(self) -> Mapping[Key, Pin]:
        from pipeline.operations.repository_files import file_of_commit, file_of_tree

        text: bytes | None = None
        if self._commit:
            text = file_of_commit(self._root, self._commit, self._lock_name, limit=_LOCK_LIMIT)
        elif (self._root / self._lock_name).exists():
            with suppress(FileNotFoundError):
                text = file_of_tree(self._root, self._lock_name, limit=_LOCK_LIMIT)
        return read_lock(text, name=self._lock_name) if text is not None else {}
