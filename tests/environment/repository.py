"""A git repository for a test, driven by the real git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

USER = (("user.name", "Marin Lock"), ("user.email", "marin@example.org"), ("commit.gpgsign", "false"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A git repository of its own, with a user configured."""

    path: Path

    def git(self, *words: str) -> str:
        """Runs git in the repository; what it printed, without the last line end."""
        reply = subprocess.run(
            ["git", "-C", str(self.path), *words], capture_output=True, text=True, env=_git_environment()
        )
        if reply.returncode:
            raise AssertionError(f"git {' '.join(words)}: {reply.stderr}")
        return reply.stdout.rstrip("\n")

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Writes files, by their path in the repository, without committing; a `#!` in front makes one executable."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
            if data.startswith(b"#!"):
                path.chmod(0o755)

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "Change") -> str:
        """Writes files and commits everything; the commit's id."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


def create(path: Path, files: Mapping[str, str | bytes] | None) -> Repository:
    """A fresh repository in a new folder, on branch main, with these files as its first commit (None: no commit)."""
    path.mkdir(parents=True)
    repository = Repository(path=path)
    repository.git("init", "--quiet", "--initial-branch=main")
    for key, value in USER:
        repository.git("config", key, value)
    if files is not None:
        repository.commit(files, "Start")
    return repository


def _git_environment() -> dict[str, str]:
    """Git as it is on a fresh machine: nobody's global configuration, no editor, no prompt."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name == "GIT_SSL_CAINFO"
    }
    return {**kept, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
