"""Asking git which commits lie between two releases."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.model.commits import CommitNote, CommitRange
from pipeline.operations.source import git_environment

MOST = 1000
"""Commits that are read of one range."""
_FORMAT = "%H%x1f%an%x1f%ae%x1f%cI%x1f%B%x1e"
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40}|[0-9a-f]{64})")
"""The words that `git revert` writes into a message."""


def commits_between(repository: Path, old: str, new: str) -> CommitRange:
    """From the commit `old` ("" = from nothing) to the commit `new`, without merges.

    SourceError where git or the history here does not know one of them.
    """
    for commit in filter(None, (old, new)):
        _check_known(repository, commit)
    if not old:
        return _range(repository, (new,), ())
    if old == new:
        return CommitRange()
    return _range(repository, (f"{old}..{new}",), (f"{new}..{old}",))


def commit_note(repository: Path, commit: str) -> CommitNote:
    """One commit, be it a merge or not. SourceError where it is not here."""
    _check_known(repository, commit)
    return _parse(_git(repository, "log", "-1", f"--format={_FORMAT}", commit, "--"))[0]


def _range(repository: Path, forward: tuple[str, ...], back: tuple[str, ...]) -> CommitRange:
    added = _log(repository, *forward)
    removed = _log(repository, *back) if back else ()
    shallow = _git(repository, "rev-parse", "--is-shallow-repository").strip() == "true"
    cut = len(added) > MOST or len(removed) > MOST or shallow
    return CommitRange(added=added[:MOST], removed=removed[:MOST], cut=cut)


def _log(repository: Path, *revisions: str) -> tuple[CommitNote, ...]:
    return _parse(_git(repository, "log", "--no-merges", f"-{MOST + 1}", f"--format={_FORMAT}", *revisions, "--"))


def _parse(text: str) -> tuple[CommitNote, ...]:
    found = []
    for record in text.split("\x1e"):
        fields = record.strip("\n").split("\x1f", 4)
        if len(fields) < 5:
            continue
        sha, author, address, time, message = fields
        found.append(
            CommitNote(
                sha=sha,
                author=author,
                address=address,
                time=datetime.fromisoformat(time).astimezone(UTC),
                message=message.strip(),
                reverts=tuple(dict.fromkeys(_REVERTS.findall(message))),
            )
        )
    return tuple(found)


def _check_known(repository: Path, commit: str) -> None:
    known = bool(_SHA.fullmatch(commit)) and _run(repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0
    if not known:
        raise SourceError(
            f"commit {commit[:12]} is not in the repository at {repository}",
            hint="fetch it (`git fetch --unshallow` in a shallow clone), or name the right folder with -C",
        )


def _git(repository: Path, *arguments: str) -> str:
    answer = _run(repository, *arguments)
    if answer.returncode:
        words = answer.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise SourceError(f"git {arguments[0]} failed in {repository}: {words}", hint="is the repository whole?")
    return answer.stdout.decode(errors="replace")


def _run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ("git", "-C", str(repository), *arguments),
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise SourceError(f"git cannot be started: {error.strerror}", hint="install git") from error
