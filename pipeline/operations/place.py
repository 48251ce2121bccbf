"""Which repository a command is meant for: the key under which its runs are recorded."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeline.operations.source import git_environment, without_credentials


def root_of(path: Path) -> Path | None:
    """The root of the working tree that holds `path`, or None."""
    root = git_says(path, "rev-parse", "--show-toplevel")
    return Path(root) if root else None


def repository_of(path: Path) -> str:
    """The origin's URL, else the path of the working tree's root; "" where `path` is in no repository."""
    root = git_says(path, "rev-parse", "--show-toplevel") or git_says(path, "rev-parse", "--absolute-git-dir")
    if not root:
        return ""
    return without_credentials(git_says(path, "config", "--get", "remote.origin.url")) or root


def git_says(path: Path, *arguments: str) -> str:
    """What git says there, without the space around it; "" where it refuses."""
    try:
        answer = subprocess.run(
            ("git", "-C", path, *arguments),
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return ""
    return answer.stdout.decode(errors="surrogateescape").strip() if answer.returncode == 0 else ""
