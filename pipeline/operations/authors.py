"""Who wrote what a release brings: asked of the repository that is here."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.model.gate_facts import Author
from pipeline.model.policy import Policy
from pipeline.operations.source import git_environment

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FIELDS = "%H%x00%ae%x00%an%x00%cI%x00%s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """One commit that a release brings."""

    commit: str
    address: str
    author: str
    time: str
    subject: str


def commits_between(folder: Path | None, old: str, new: str) -> tuple[Written, ...] | None:
    """Commits of `new` that `old` ("" = nothing) does not have, newest first; None where one of them is not here."""
    if folder is None or not _COMMIT.fullmatch(new) or (old and not _COMMIT.fullmatch(old)):
        return None
    wanted = f"{old}..{new}" if old else new
    try:
        answer = subprocess.run(
            ("git", "-C", str(folder), "log", "-z", f"--format={_FIELDS}", "--end-of-options", wanted, "--"),
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return None
    if answer.returncode:
        return None
    fields = answer.stdout.decode(errors="replace").split("\0")
    return tuple(
        Written(commit=commit, address=address, author=author, time=time, subject=subject)
        for commit, address, author, time, subject in zip(*(iter(fields),) * 5, strict=False)
    )


def authors_between(folder: Path | None, old: str, new: str, policy: Policy) -> tuple[Author, ...] | None:
    """Each of them once, with one of their commits; None where the commits are not here."""
    commits = commits_between(folder, old, new)
    if commits is None:
        return None
    found: dict[str, Author] = {}
    for item in commits:
        address = item.address.strip().lower()
        found.setdefault(
            address, Author(address=item.address, person=policy.person_of(item.address), commit=item.commit)
        )
    return tuple(found.values())
