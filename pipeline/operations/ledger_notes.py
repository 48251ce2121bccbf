"""Heads of a ledger in git notes: they go where the repository is pushed, away from who could change the ledger."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from pipeline.errors import SourceError, UsageError
from pipeline.operations.ledger_head import Head, parse_head
from pipeline.operations.source import git_environment

REF: Final = "refs/notes/ecluse-ledger"
_NOBODY: Final = {"NAME": "ecluse", "EMAIL": "ecluse@localhost"}


def write_note(repository: Path, head: Head, *, commit: str) -> str:
    """Add the head to the notes of a commit; returns the commit's id. SourceError where git refuses."""
    found = _git(repository, "rev-parse", "--verify", "-q", "--end-of-options", f"{commit}^{{commit}}")
    if found.returncode:
        raise UsageError(f"there is no commit '{commit}' in {repository}", hint="name one with --commit")
    sha = found.stdout.decode().strip()
    done = _git(repository, "notes", f"--ref={REF}", "append", "-F", "-", sha, text=head.line + "\n", writes=True)
    if done.returncode:
        raise SourceError(f"git could not write the note: {done.stderr.decode(errors='replace').strip()}")
    return sha


def read_notes(repository: Path) -> list[Head]:
    """Every head in the notes. UsageError where there is none."""
    listed = _git(repository, "notes", f"--ref={REF}", "list")
    blobs = [line.split()[0] for line in listed.stdout.decode(errors="replace").splitlines() if line.strip()]
    heads: list[Head] = []
    for blob in dict.fromkeys(blobs):
        text = _git(repository, "cat-file", "blob", blob).stdout.decode(errors="replace")
        heads += [head for line in text.splitlines() if (head := parse_head(line)) is not None]
    if not heads:
        raise UsageError(
            f"no head of a ledger stands in the notes ({REF}) of {repository}",
            hint=f"`ecluse ledger export --note` writes one; git fetch origin {REF}:{REF} brings those of others",
        )
    return heads


def _git(repository: Path, *arguments: str, text: str = "", writes: bool = False) -> subprocess.CompletedProcess[bytes]:
    environment = git_environment()
    if writes and not _has_identity(repository):
        environment |= {
            f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in _NOBODY.items()
        }
    return subprocess.run(
        ("git", "-C", repository, *arguments),
        env=environment,
        input=text.encode(),
        capture_output=True,
        check=False,
    )


def _has_identity(repository: Path) -> bool:
    """Whether git knows who writes."""
    return _git(repository, "var", "GIT_COMMITTER_IDENT").returncode == 0
