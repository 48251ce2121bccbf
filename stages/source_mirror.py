"""A bare mirror for each repository in the machine's cache: what was fetched once is not fetched again."""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SourceError, SourceUnreachableError
from pipeline.ports.stage import StageContext
from stages.source_git import PROTOCOLS, git, reset

PATIENCE = 0.2
"""Seconds between two tries at a mirror that another run is filling just now."""


def mirror(context: StageContext, location: str, sha: str, *, tags: bool = False) -> Path:
    """The bare mirror of `location` (an address or a path) with the commit `sha` in it, and all tags if asked.

    Two runs at once take turns. A mirror that a killed run left in pieces is made anew. Raises SourceError when the
    location does not have the commit.
    """
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", sha):
        raise SourceError(f"{sha!r} is not a commit id", hint="the repository is damaged: run `git fsck`")
    if location.startswith("-"):
        raise SourceError(f"{location!r} is not the address of a repository", hint="do not trust this repository")
    folder = context.cache_folder("git") / hashlib.sha256(location.encode(errors="surrogateescape")).hexdigest()[:32]
    with _turn(context, folder.with_suffix(".lock")):
        try:
            _bring(context, folder, location, sha, tags=tags)
        except SourceUnreachableError:
            raise
        except SourceError as error:
            if not _broken(error.message):
                raise
            context.log.note("the cached mirror was left in pieces: it is made anew")
            reset(folder)
            _bring(context, folder, location, sha, tags=tags)
    return folder


def has(context: StageContext, folder: Path, sha: str) -> bool:
    """Whether the commit is in the mirror."""
    try:
        git(folder, "cat-file", "-e", f"{sha}^{{commit}}", cancel=context.cancel)
    except SourceError:
        return False
    return True


def is_local(location: str) -> bool:
    """Whether it is a path or a `file://` address, and neither `https://host/…` nor `user@host:…`."""
    return location.startswith("file://") or not re.match(r"[a-z0-9+.-]+::?//|[^/]+:", location)


def _bring(context: StageContext, folder: Path, location: str, sha: str, *, tags: bool) -> None:
    if not (folder / "HEAD").exists():
        git(folder, "init", "-q", "--bare", "--template=", str(folder), cancel=context.cancel)
    elif not tags and has(context, folder, sha):
        return
    allowed = {"GIT_ALLOW_PROTOCOL": f"file:{PROTOCOLS}" if is_local(location) else PROTOCOLS}
    fetch = ("-c", "gc.autoDetach=false", "fetch", "-q", "--no-write-fetch-head", "--no-tags", "--force", location)
    more = ("+refs/tags/*:refs/tags/*",) if tags else ()
    try:
        git(folder, *fetch, f"+{sha}:refs/kept/{sha}", *more, cancel=context.cancel, variables=allowed)
    except SourceError as error:
        if not re.search(r"not our ref|unadvertised object", error.message):
            raise
        everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        git(folder, *fetch, *everything, cancel=context.cancel, variables=allowed)
        if not has(context, folder, sha):
            raise SourceError(
                f"{location} does not have the commit {sha}", hint="push it there, or name another commit"
            ) from error


def _broken(words: str) -> bool:
    return any(
        sign in words
        for sign in (".lock': File exists", "not a git repository", "is corrupt", "bad object", "missing blob")
    )


@contextmanager
def _turn(context: StageContext, path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                context.cancel.wait(PATIENCE)
                context.cancel.check()
        yield
