"""What a server can know of a checkout: the branch or the commit that it stands at, as far as it was pushed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.operations.place import git_says


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """`ref` is what to ask for; `lacks` says what of the checkout a server does not have, "" where nothing is known."""

    ref: str
    lacks: str


def pushed(folder: Path) -> Pushed:
    """Of the checkout around a folder: its branch, or on none its commit; "" where it has neither."""
    branch = git_says(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    commit = git_says(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    lacks = []
    if git_says(folder, "status", "--porcelain", "--untracked-files=no"):
        lacks.append("uncommitted changes")
    upstream = git_says(folder, "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{branch}") if branch else ""
    if upstream and upstream != commit:
        ahead = git_says(folder, "rev-list", "--count", f"{upstream}..{commit}")
        if ahead.isdecimal() and int(ahead):
            lacks.append(f"{ahead} commit{'' if ahead == '1' else 's'} that were not pushed")
    return Pushed(ref=branch or commit, lacks=" and ".join(lacks))
