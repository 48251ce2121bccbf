"""A bare mirror for each repository in the machine's cache: what was fetched once is not fetched again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SourceError, SourceUnreachableError
from pipeline.model.stranger_address import whereabouts
from pipeline.ports.stage import StageContext
from stages.source_git import PROTOCOLS, git, reset

PATIENCE = 0.2
"""Seconds between two tries at a mirror that another run is filling just now."""


def mirror(context: StageContext, location: str, sha: str, *, tags: bool = False, stranger: bool = False) -> Path:
    """The bare mirror of `location` (an address or a path) with the commit `sha` in it, and all tags if asked.

    Two runs at once take turns. A mirror that a killed run left in pieces is made anew. Raises SourceError when the
    location does not have the commit.

    `stranger`: the address is from a file that nobody vouches for. It is asked without any credentials, where it is
    public, into a mirror apart, so that what others fetched with theirs is not had through it.
    """
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", sha):
        raise SourceError(f"{sha!r} is not a commit id", hint="the repository is damaged: run `git fsck`")
    if location.startswith("-"):
        raise SourceError(f"{location!r} is not the address of a repository", hint="do not trust this repository")
    options, alone = strangers(context, location) if stranger else ((), {})
    folder = (
        context.cache_folder("git-strangers" if stranger else "git")
        / hashlib.sha256(location.encode(errors="surrogateescape")).hexdigest()[:32]
    )
    with _turn(context, folder.with_suffix(".lock")):
        try:
            _bring(context, folder, location, sha, tags=tags, options=options, alone=alone)
        except SourceUnreachableError:
            raise
        except SourceError as error:
            if not _broken(error.message):
                raise
            context.log.note("the cached mirror was left in pieces: it is made anew")
            reset(folder)
            _bring(context, folder, location, sha, tags=tags, options=options, alone=alone)
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


def strangers(context: StageContext, location: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Options and variables of a git that asks an address which a stranger wrote. SourceError where it may not be."""
    host = re.match(r"https://([^/@]+)(?:/|$)", context.source.origin)
    try:
        there = whereabouts(location, allowed=(*context.settings.private_hosts, *((host[1],) if host else ())))
    except ValueError as error:
        raise SourceError(
            f"an untrusted run may not ask {location[:200]}: {error}",
            hint="the machine's setting private_hosts lists hosts of its own network that may be asked",
        ) from error
    nowhere = os.devnull
    alone = {"GIT_CONFIG_GLOBAL": nowhere, "GIT_CONFIG_NOSYSTEM": "1", "HOME": nowhere, "XDG_CONFIG_HOME": nowhere}
    options = ("-c", "http.followRedirects=false", "-c", f"http.curloptResolve={there.pin}")
    return options, {**alone, "GIT_ALLOW_PROTOCOL": "https", "GIT_SSH_COMMAND": "false"}


def _bring(
    context: StageContext,
    folder: Path,
    location: str,
    sha: str,
    *,
    tags: bool,
    options: tuple[str, ...],
    alone: Mapping[str, str],
) -> None:
    if not (folder / "HEAD").exists():
        git(folder, "init", "-q", "--bare", "--template=", str(folder), cancel=context.cancel)
    elif not tags and has(context, folder, sha):
        return
    allowed = {"GIT_ALLOW_PROTOCOL": f"file:{PROTOCOLS}" if is_local(location) else PROTOCOLS}
    allowed |= alone
    fetch = (
        *options,
        "-c",
        "gc.autoDetach=false",
        "fetch",
        "-q",
        "--no-write-fetch-head",
        "--no-tags",
        "--force",
        location,
    )
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
