"""The real `ecluse` as its user runs it: a process, in a folder, with an environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOST_MARKS = frozenset(
    {"CI", "GITLAB_CI", "GITHUB_ACTIONS", "GITEA_ACTIONS", "FORGEJO_ACTIONS", "JENKINS_URL", "BUILD_TAG"}
)
"""By these a CI host is known: the tests may run in the job of one, and are not about it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A command that has ended: its exit code and all that it wrote."""

    code: int
    out: str
    err: str


class Command:
    """The real `ecluse`, run as its user does: a process, in a folder, with an environment."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self._folder = folder
        self._program = Path(sys.executable).with_name("ecluse")

    @property
    def program(self) -> Path:
        """What is run."""
        return self._program

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What the command sees: our environment without the user's own settings, and the test's home."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if (not name.startswith("ECLUSE_") or name.startswith(("ECLUSE_TEST_", "ECLUSE_ENV_")))
            and name not in HOST_MARKS
        }
        return {**inherited, "ECLUSE_HOME": str(self.home), **(more or {})}

    def __call__(
        self,
        *words: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 300,
    ) -> Result:
        """Runs `ecluse WORDS…` to its end. `timeout` in seconds."""
        reply = subprocess.run(
            [str(self._program), *words],
            cwd=cwd or self._folder,
            env=self.environment(env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Result(code=reply.returncode, out=reply.stdout, err=reply.stderr)

    @contextmanager
    def started(
        self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """`ecluse WORDS…` while it runs, with pipes for its output; killed if it still runs at the end of the body."""
        with subprocess.Popen(
            [str(self._program), *words],
            cwd=cwd or self._folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
