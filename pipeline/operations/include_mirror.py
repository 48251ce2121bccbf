"""Files of other repositories, brought once through a bare mirror into the machine's cache, by a git that asks
nothing, runs nothing and shows no credentials."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from pipeline.errors import SourceUnreachableError, UsageError
from pipeline.model.stranger_address import whereabouts
from pipeline.operations.repository_files import file_of_commit
from pipeline.operations.source import git_environment, without_credentials

PATIENCE: Final = 300.0
"""Seconds that one git process may take."""
_FULL: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT: Final = re.compile(r"[0-9a-f]{4,63}")
_SCP: Final = re.compile(r"(?:[A-Za-z0-9._~-]+@)?[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*:[^:].*")
_EVERYTHING: Final = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_DENIED: Final = re.compile(
    r"not found|does not exist|does not appear to be a git repository|Authentication failed|could not read Username"
    r"|could not read Password|Permission denied|access denied|returned error: 40[134]|not allowed"
    r"|Host key verification",
    re.IGNORECASE,
)
_UNABLE: Final = re.compile(r"not our ref|unadvertised object|dumb http transport|does not support shallow")
"""What a server says that cannot give one commit alone."""


_DAMAGED: Final = re.compile(r"corrupt|bad object|not a git repository|unable to read|missing blob|inflate|packfile")
T = TypeVar("T")


class _DamagedError(UsageError):
    """The mirror on this machine is broken: a power cut, a full disk."""


def is_commit(ref: str) -> bool:
    """Whether it is the full id of a commit, which nothing can move."""
    return _FULL.fullmatch(ref) is not None


def protocol_of(url: str) -> str:
    """`https`, `ssh`, `file` and so on; "" for what is no address that git could take safely."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://(?!-)[^\s]+$", url)
    if scheme:
        return scheme[1]
    return "ssh" if "::" not in url and "://" not in url and _SCP.fullmatch(url) else ""


class IncludeMirror:
    """Mirrors below one folder. With `credentials=False` what the user's git knows is not used: no helper, no netrc,
    no key; such mirrors lie apart, so that what others fetched cannot be read through them. Then only public
    addresses and `private_hosts` are asked: the address that was looked at is the one that is connected to.
    """

    def __init__(
        self, cache: Path, *, protocols: frozenset[str], credentials: bool, private_hosts: tuple[str, ...] = ()
    ) -> None:
        self._folder = cache / "includes" / ("own" if credentials else "public")
        self._protocols = protocols if credentials else protocols & {"https"}
        self._credentials = credentials
        self._private_hosts = private_hosts

    def allow(self, url: str) -> None:
        """UsageError for an address that may not be asked."""
        shown = without_credentials(url)
        if re.match(r"[a-z0-9+.-]+://[^/@]*:[^/@]*@", url):
            raise UsageError(
                f"the address {shown} holds a password", hint="take it out, and give it to git's credential helper"
            )
        protocol = protocol_of(url)
        if protocol not in self._protocols:
            allowed = ", ".join(sorted(self._protocols)) or "none"
            why = "" if self._credentials else " for an untrusted run, which gets no private includes"
            raise UsageError(
                f"'{shown}' cannot be included{why}: allowed are addresses of {allowed}",
                hint="machine settings list the protocols: include_protocols",
            )

    def resolve(self, url: str, ref: str) -> str:
        """The commit that a branch, a tag or the beginning of an id means there now."""
        self.allow(url)
        if ref.startswith("-") or not re.fullmatch(r"[^\s~^:?*\[\\\x00-\x20\x7f]+", ref) or ".." in ref:
            raise UsageError(f"'{ref}' is not a branch, a tag or a commit", hint="write it as git shows it")
        commit = self._in_mirror(url, lambda mirror: self._named(mirror, url, ref))
        if not commit:
            raise UsageError(
                f"{without_credentials(url)} has no branch, tag or commit '{ref}'", hint="see `git ls-remote` of it"
            )
        return commit

    def _named(self, mirror: Path, url: str, ref: str) -> str:
        names = [f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", ref]
        listed = self._ask(mirror, url, "ls-remote", "-q", "--", url, *names).decode(errors="replace")
        found = {name: sha for sha, _, name in (line.partition("\t") for line in listed.splitlines())}
        for name in names:
            if name in found:
                return found[name]
        if _SHORT.fullmatch(ref):
            self._ask(mirror, url, *_FETCH, url, *_EVERYTHING)
            with suppress(UsageError):
                return self._git(mirror, "rev-parse", "--verify", "-q", f"{ref}^{{commit}}").decode().strip()
        return ""

    def content(self, url: str, commit: str, file: str, *, limit: int) -> bytes:
        """A file at a commit; nothing is asked of the server when it was fetched before."""
        self.allow(url)
        key = hashlib.sha256(f"{url}\0{commit}\0{file}".encode()).hexdigest()
        kept = self._folder / "files" / key
        with suppress(FileNotFoundError):
            return _short_enough(kept.read_bytes(), file, limit)
        content = self._in_mirror(url, lambda mirror: self._fetched(mirror, url, commit, file, limit))
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_bytes(content)
        draft.replace(kept)
        return content

    def _fetched(self, mirror: Path, url: str, commit: str, file: str, limit: int) -> bytes:
        if not _has(mirror, commit):
            self._bring(mirror, url, commit)
        self._git(mirror, "rev-list", "--objects", "--max-count=1", "--quiet", commit)
        content = file_of_commit(mirror, commit, file, limit=limit)
        if content is None:
            raise UsageError(
                f"{without_credentials(url)} has no file {file} at {commit[:12]}", hint="paths begin at its root"
            )
        return content

    def _in_mirror(self, url: str, work: Callable[[Path], T]) -> T:
        """What `work` makes of the mirror; once more with a fresh one where the kept one is damaged."""
        try:
            with self._mirror(url) as mirror:
                return work(mirror)
        except _DamagedError:
            with self._mirror(url, anew=True) as mirror:
                return work(mirror)

    def _bring(self, mirror: Path, url: str, commit: str) -> None:
        with suppress(UsageError):
            self._ask(mirror, url, *_FETCH, "--depth=1", url, f"+{commit}:refs/kept/{commit}")
        if _has(mirror, commit):
            return
        more = ("--unshallow",) if (mirror / "shallow").exists() else ()
        self._ask(mirror, url, *_FETCH, *more, url, *_EVERYTHING)
        if not _has(mirror, commit):
            raise UsageError(
                f"{without_credentials(url)} does not have the commit {commit[:12]}",
                hint="was it pushed, and is it still on a branch? `ecluse check --lock` pins a newer one",
            )

    @contextmanager
    def _mirror(self, url: str, *, anew: bool = False) -> Iterator[Path]:
        """The mirror of an address, for one process at a time; one that was left in pieces is made anew."""
        folder = self._folder / hashlib.sha256(url.encode()).hexdigest()[:32]
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with folder.with_suffix(".lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            for stale in (*folder.glob("*.lock"), *folder.glob("refs/**/*.lock")):
                stale.unlink()
            if anew or not (folder / "ready").exists():
                shutil.rmtree(folder, ignore_errors=True)
                self._git(folder.parent, "init", "-q", "--bare", "--template=", str(folder))
                (folder / "ready").touch()
            yield folder

    def _ask(self, mirror: Path, url: str, *arguments: str) -> bytes:
        """Git that speaks to a server."""
        if self._credentials:
            return self._git(mirror, *arguments)
        try:
            there = whereabouts(url, allowed=self._private_hosts)
        except ValueError as error:
            raise UsageError(
                f"'{without_credentials(url)}' cannot be included by an untrusted run: {error}",
                hint="the machine's setting private_hosts lists hosts of its own network that may be",
            ) from error
        pinned = ("-c", "http.followRedirects=false", "-c", f"http.curloptResolve={there.pin}")
        return self._git(mirror, *pinned, *arguments)

    def _git(self, folder: Path, *arguments: str) -> bytes:
        try:
            answer = subprocess.run(
                ("git", "-C", folder, *arguments),
                env=self._environment(folder),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceUnreachableError(
                f"git did not end within {PATIENCE:.0f} seconds", hint="is the server of the include reachable?"
            ) from error
        if answer.returncode == 0:
            return answer.stdout
        raise _failed(arguments, answer.stderr)

    def _environment(self, folder: Path) -> Mapping[str, str]:
        environment = git_environment()
        environment["GIT_ALLOW_PROTOCOL"] = ":".join(sorted(self._protocols))
        environment.pop("SSH_ASKPASS", None)
        environment.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20")
        if not self._credentials:
            alone = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull}
            environment |= {**alone, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ASKPASS": "false"}
        return environment


_FETCH: Final = (
    *("-c", "gc.auto=0", "-c", "fetch.recurseSubmodules=false", "-c", "http.lowSpeedLimit=100"),
    *("-c", "http.lowSpeedTime=60", "fetch", "-q", "--no-write-fetch-head", "--no-tags", "--force"),
)


def _has(mirror: Path, commit: str) -> bool:
    answer = subprocess.run(
        ("git", "-C", mirror, "cat-file", "-e", f"{commit}^{{commit}}"),
        env=git_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return answer.returncode == 0


def _short_enough(content: bytes, file: str, limit: int) -> bytes:
    if len(content) > limit:
        raise UsageError(f"{file} is larger than {limit // 1024} KiB", hint="a pipeline file is small: split it")
    return content


def _failed(arguments: tuple[str, ...], stderr: bytes) -> UsageError | SourceUnreachableError:
    words = re.sub(r"//[^/@\s']*@", "//", stderr.decode(errors="replace")).strip()
    lines = [line.removeprefix("fatal: ").removeprefix("error: ") for line in words.splitlines()]
    first = next((line for line in lines if line), "git said nothing")
    asked = "ls-remote" in arguments or "fetch" in arguments
    if not asked or _DAMAGED.search(words):
        kind: type[UsageError] = _DamagedError
    elif _DENIED.search(words) or _UNABLE.search(words):
        kind = UsageError
    else:
        return SourceUnreachableError(f"an included repository cannot be asked: {first}", hint="try again later")
    return kind(
        f"an included repository cannot be read: {first}",
        hint="check the address; what is private needs git's own credentials on this machine",
    )
