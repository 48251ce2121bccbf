"""What the user sees meanwhile: a line for a step that takes longer than a second, the log's tail if it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


class UnavailableError(Exception):
    """A part of the environment cannot be had; the text says which, why and what to do."""


@contextmanager
def silently() -> Iterator[None]:
    """No step in the body says anything: the last word belongs to the command that was run."""
    before = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(before)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says `what` on stderr, once, if the body takes longer than a second."""
    if _SILENT.get():
        yield
        return
    timer = threading.Timer(1.0, lambda: print(f"environment: {what} …", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def call(
    command: Sequence[str | Path],
    *,
    log: Path,
    hint: str,
    env: Mapping[str, str] | None = None,
    root: bool = False,
) -> None:
    """Runs a command, its output appended to `log`; `UnavailableError` with the log's tail and `hint` if it fails."""
    words = [*(privileged() if root else []), *map(str, command)]
    with log.open("ab") as sink:
        sink.write(f"$ {' '.join(words)}\n".encode())
        sink.flush()
        start = sink.tell()
        code = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env={**os.environ, **(env or {})}
        ).returncode
    if code:
        raise UnavailableError(
            f"`{' '.join(words)}` ended with {code}\n{tail(log, start=start)}\nWhole log: {log}\n{hint}"
        )


def tail(log: Path, *, start: int = 0, lines: int = 15) -> str:
    """The last lines of `log` that were written at or after the byte `start`, indented."""
    try:
        with log.open("rb") as source:
            source.seek(start)
            text = source.read().decode(errors="replace")
    except OSError:
        return "  (no log)"
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])


def privileged() -> list[str]:
    """The words before a command that needs root: none for root, `sudo -n` for others where that works."""
    if os.getuid() == 0:
        return []
    try:
        if subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
            return ["sudo", "-n", "--"]
    except FileNotFoundError:
        pass
    raise UnavailableError(
        "this needs root, and there is no password-less sudo here: run `make test` once as root, "
        "or start a Docker engine yourself and set DOCKER_HOST"
    )
