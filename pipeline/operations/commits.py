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
_FORMAT = "%H%x1f%P%x1f%an%x1f%ae%x1f%cI%x1f%B%x1e"
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40}|[0-9a-f]{64})")
"""The words that `git revert` writes into a message."""


def commits_between(repository: Path, old: str, new: str, *, most: int | None = MOST) -> CommitRange:
    """From the commit `old` ("" = from nothing) to the commit `new`, at most so many on each way (None: all).

    SourceError where git or the history here does not know one of them.
    """
    for commit in filter(None, (old, new)):
        _check_known(repository, commit)
    if old == new:
        return CommitRange()
    forward = _log(repository, f"{old}..{new}" if old else new, most)
    back = _log(repository, f"{new}..{old}", most) if old else []
    shallow = _git(repository, "rev-parse", "--is-shallow-repository").strip() == "true"
    return CommitRange(
        added=tuple(note for note, merge in forward[:most] if not merge),
        removed=tuple(note for note, merge in back[:most] if not merge),
        merges=tuple(note for note, merge in forward[:most] if merge),
        cut=shallow or (most is not None and max(len(forward), len(back)) > most),
    )


def commit_note(repository: Path, commit: str) -> CommitNote:
    """One commit, be it a merge or not. SourceError where it is not here."""
    _check_known(repository, commit)
    return _parse(_git(repository, "log", "-1", f"--format={_FORMAT}", commit, "--"))[0][0]


def _log(repository: Path, revisions: str, most: int | None) -> list[tuple[CommitNote, bool]]:
    """Each with whether it is a merge; one more than asked for where there are more."""
    limit = () if most is None else (f"-{most + 1}",)
    return _parse(_git(repository, "log", *limit, f"--format={_FORMAT}", revisions, "--"))


def _parse(text: str) -> list[tuple[CommitNote, bool]]:
    found = []
    for record in text.split("\x1e"):
        fields = record.strip("\n").split("\x1f", 5)
        if len(fields) < 6:
            continue
        sha, parents, author, address, time, message = fields
        note = CommitNote(
            sha=sha,
            author=author,
            address=address,
            time=datetime.fromisoformat(time).astimezone(UTC),
            message=message.strip(),
            reverts=tuple(dict.fromkeys(_REVERTS.findall(message))),
        )
        found.append((note, len(parents.split()) > 1))
    return found


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
