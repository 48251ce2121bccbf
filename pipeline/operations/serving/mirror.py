"""The server's copy of a repository: a bare mirror that git fetches into and nothing ever runs from."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import SourceError, SourceUnreachableError, UsageError
from pipeline.model.repository import ForgeKind, Repository
from pipeline.operations.source import git_environment, without_credentials
from pipeline.ports.application import Application

PATIENCE: Final = 600.0
"""Seconds that one fetch may take."""
TOKEN: Final = "token"  # noqa: S105 - its name
"""Name of the secret in `forge:<repository>` that git and the forge's API are asked with."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF: Final = re.compile(r"[^\s~^:?*\[\\\x00-\x20\x7f-]" + r"[^\s~^:?*\[\\\x00-\x20\x7f]{0,249}")
_EVERYTHING: Final = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
_FETCH: Final = (
    *("-c", "gc.auto=0", "-c", "fetch.recurseSubmodules=false", "-c", "http.lowSpeedLimit=100"),
    *("-c", "http.lowSpeedTime=60", "fetch", "-q", "--no-write-fetch-head", "--no-tags", "--force"),
)
_STAY: Final = ("-c", "http.followRedirects=false")
"""For addresses that others wrote: they may be of the forge's host, and send git from there to any other."""
_PROPOSALS: Final[Mapping[ForgeKind, str]] = {
    ForgeKind.GITHUB: "refs/pull/{}/head",
    ForgeKind.GITEA: "refs/pull/{}/head",
    ForgeKind.GITLAB: "refs/merge-requests/{}/head",
}
_USER: Final = "ECLUSE_GIT_USER"
_WORD: Final = "ECLUSE_GIT_WORD"
_HELPER: Final = f"""!f() {{ test "$1" = get && printf 'username=%s\\npassword=%s\\n' "${_USER}" "${_WORD}"; }}; f"""
_USERS: Final[Mapping[ForgeKind, str]] = {
    ForgeKind.GITHUB: "x-access-token",
    ForgeKind.GITLAB: "oauth2",
    ForgeKind.BITBUCKET: "x-token-auth",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tip:
    """What a branch, a tag or a commit's id means."""

    sha: str
    branch: str = ""
    tag: str = ""


def checked_ref(ref: str) -> str:
    """The name as it was given. UsageError for one that git could not take, or take for something else."""
    if not _REF.fullmatch(ref) or ".." in ref or "@{" in ref or ref.endswith((".lock", "/", ".")):
        raise UsageError(f"{ref[:80]!r} is not a branch, a tag or a commit", hint="write it as git shows it")
    return ref


class Mirror:
    """One repository under `home/mirrors`; safe for several processes of this machine.

    Branches are kept as those of a remote, so that the history reads as in any clone; a change from a fork lies apart.
    Errors that may leave: SourceError, SourceUnreachableError (worth another try), UsageError.
    """

    def __init__(self, app: Application, repository: Repository) -> None:
        self._app = app
        self._repository = repository
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", repository.name).strip("-.") or "repository"
        digest = hashlib.sha256(repository.url.encode()).hexdigest()[:12]
        self.path = app.settings.home / "mirrors" / f"{plain}-{digest}.git"

    def has(self, commit: str) -> bool:
        """Whether the commit is here."""
        if not _COMMIT.fullmatch(commit) or not self.path.exists():
            return False
        return self._run("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def bring(self, commit: str, *, proposal: str = "", source: str = "") -> None:
        """Have that commit here: of a branch or tag, of the pull request `proposal`, or of the fork at `source`."""
        if self.has(commit):
            return
        self.fetch()
        for refspec, url in self._ways(commit, proposal, source):
            if self.has(commit):
                return
            with self._locked():
                self._run(*_STAY, *_FETCH, "--end-of-options", url, refspec, asks=True)
        if not self.has(commit):
            raise SourceError(
                f"{self._repository.name} does not have the commit {commit[:12]}",
                hint="was it pushed, and is it still on a branch or in a pull request?",
            )

    def fetch(self) -> None:
        """Have all branches and tags as they are now; those that are gone there go here."""
        with self._locked():
            answer = self._run(*_FETCH, "--prune", "--end-of-options", "origin", *_EVERYTHING, asks=True)
            if answer.returncode:
                raise self._failed(answer.stderr)
            head = f"refs/remotes/origin/{checked_ref(self._repository.default_branch)}"
            self._run("symbolic-ref", "refs/remotes/origin/HEAD", head)

    def find(self, ref: str) -> Tip | None:
        """A branch, a tag or a full id of a commit, as they were fetched last; "" = the default branch."""
        name = checked_ref(ref or self._repository.default_branch)
        if sha := self._commit(f"refs/remotes/origin/{name}"):
            return Tip(sha=sha, branch=name)
        if sha := self._commit(f"refs/tags/{name}"):
            return Tip(sha=sha, tag=name)
        return Tip(sha=name) if self.has(name) else None

    def stamp(self, ref: str) -> tuple[object, ...]:
        """What is another one whenever the answer of `find` may be: git replaces these files, and is not asked."""
        name = checked_ref(ref or self._repository.default_branch)
        files = (f"refs/remotes/origin/{name}", f"refs/tags/{name}", "packed-refs", "reftable/tables.list")
        found: list[object] = [name]
        for file in files:
            try:
                known = (self.path / file).stat()
            except OSError:
                found.append(None)
            else:
                found.append((known.st_ino, known.st_mtime_ns, known.st_size))
        return tuple(found)

    def _commit(self, ref: str) -> str:
        answer = self._run("rev-parse", "--verify", "-q", "--end-of-options", f"{ref}^{{commit}}")
        return answer.stdout.decode().strip() if answer.returncode == 0 else ""

    def _ways(self, commit: str, proposal: str, source: str) -> Iterator[tuple[str, str]]:
        kept = f"refs/kept/{commit}"
        pattern = _PROPOSALS.get(self._repository.forge)
        if proposal.isdecimal() and pattern:
            yield f"+{pattern.format(proposal)}:refs/proposals/{proposal}", "origin"
        yield f"+{commit}:{kept}", "origin"
        if source and _same_host(source, self._repository.url):
            yield f"+{commit}:{kept}", source

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time fetches; what was left in pieces is made anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_suffix(".lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if not (self.path / "ready").exists():
                shutil.rmtree(self.path, ignore_errors=True)
                self._git_made()
            for stale in (*self.path.glob("*.lock"), *self.path.glob("refs/**/*.lock")):
                stale.unlink(missing_ok=True)
            yield

    def _git_made(self) -> None:
        made = subprocess.run(
            ("git", "init", "-q", "--bare", "--template=", str(self.path)),
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        url = self._run("config", "remote.origin.url", self._repository.url)
        if made.returncode or url.returncode:
            raise SourceError(
                f"the mirror of {self._repository.name} cannot be made: {_words(made.stderr or url.stderr)}",
                hint="check the space and the permissions of ECLUSE_HOME",
            )
        (self.path / "ready").touch()

    def _run(self, *arguments: str, asks: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Git in the mirror; `asks`: it speaks to the server, with the credentials."""
        environment = self._asking() if asks else git_environment()
        try:
            return subprocess.run(
                ("git", "-C", str(self.path), *arguments),
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceUnreachableError(
                f"{self._repository.name} could not be fetched within {PATIENCE:.0f} seconds",
                hint="is the forge reachable?",
            ) from error

    def _asking(self) -> dict[str, str]:
        """Credentials go by the environment, which only this user's processes can read. Git asks for them by the host
        that it speaks to, so that one to which the forge sends it on hears nothing; a header would go along."""
        environment = git_environment()
        environment["GIT_ALLOW_PROTOCOL"] = "https:http:ssh:file"
        environment["GIT_ASKPASS"] = "true"
        environment.pop("SSH_ASKPASS", None)
        environment.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20")
        url = urlsplit(self._repository.url)
        if url.scheme not in ("https", "http"):
            return environment
        token = self._app.vault.get(f"forge:{self._repository.name}", TOKEN)
        if token is None:
            return environment
        environment[_USER] = _USERS.get(self._repository.forge, "ecluse")
        environment[_WORD] = token.decode("utf-8", "replace").strip()
        host = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
        number = int(environment.get("GIT_CONFIG_COUNT") or 0)
        for key, value in (("credential.helper", ""), (f"credential.{host}.helper", _HELPER)):
            environment[f"GIT_CONFIG_KEY_{number}"] = key
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
            number += 1
        environment["GIT_CONFIG_COUNT"] = str(number)
        return environment

    def _failed(self, stderr: bytes) -> SourceUnreachableError:
        return SourceUnreachableError(
            f"{self._repository.name} cannot be fetched from {without_credentials(self._repository.url)}: "
            f"{_words(stderr)}",
            hint="check the address and the token of the repository",
        )


def _same_host(one: str, other: str) -> bool:
    """Whether a fork's address, which a stranger wrote, is one of the repository's own forge."""
    first, second = urlsplit(one), urlsplit(other)
    return first.scheme == "https" and bool(first.hostname) and first.netloc == second.netloc


def _words(stderr: bytes) -> str:
    text = re.sub(r"//[^/@\s']*@", "//", stderr.decode(errors="replace")).strip()
    lines = [line.removeprefix("fatal: ").removeprefix("error: ") for line in text.splitlines()]
    return next((line for line in lines if line), "git said nothing")


def remove_mirror(app: Application, repository: Repository) -> None:
    """Forget the copy of a repository that the server does not look after any more."""
    path = Mirror(app, repository).path
    shutil.rmtree(path, ignore_errors=True)
    path.with_suffix(".lock").unlink(missing_ok=True)
