"""Run one tool to its end, with a time limit, and tell how it went."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import place


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A tool's end: `code` None means that the time limit passed; the streams are text, however broken."""

    code: int | None
    out: str
    err: str
    seconds: float

    def told(self, lines: int = 3) -> str:
        """The last words of the tool, in one line."""
        words = [line.strip() for line in (self.err or self.out).splitlines() if any(map(str.isalpha, line))]
        end = "no answer in time" if self.code is None else f"exit {self.code}"
        return "; ".join([end, *words[-lines:]])[:500]


def call(arguments: Sequence[str], *, cwd: Path, limit: float) -> Ended:
    """Run a tool in a folder for at most `limit` seconds; raises OSError when it cannot be started."""
    started = time.monotonic()
    environment = {**os.environ, **place.environment()}
    try:
        done = subprocess.run(
            list(arguments),
            check=False,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return Ended(code=None, out="", err="", seconds=time.monotonic() - started)
    return Ended(
        code=done.returncode,
        out=done.stdout.decode(errors="replace"),
        err=done.stderr.decode(errors="replace"),
        seconds=time.monotonic() - started,
    )
