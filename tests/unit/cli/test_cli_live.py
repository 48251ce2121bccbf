"""The live view on a real terminal (a pty): what a person sees while it runs and when it has ended."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

from terminal_screen import Screen

PROGRAM = Path(__file__).with_name("live_program.py")


def on_terminal(
    story: str,
    *,
    rows: int = 24,
    columns: int = 80,
    env: Mapping[str, str],
    until: Callable[[Screen], bool] | None = None,
) -> tuple[Screen, str]:
    """The screen after the program has ended, and all that was written to it.

    `until`: when the screen satisfies it, a line is typed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **env}
    environment.pop("CI", None)
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), story],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        close_fds=True,
    )
    os.close(theirs)
    screen, seen = Screen(), ""
    pending = b""
    try:
        while chunk := _read(ours):
            pending += chunk
            text = pending.decode("utf-8", "ignore") if _whole(pending) else ""
            if text:
                pending = b""
                seen += text
                screen.write(text)
            if until is not None and until(screen):
                os.write(ours, b"\n")
                until = None
        assert program.wait(20) == 0, seen
    finally:
        program.kill()
        program.wait()
        os.close(ours)
    return screen, seen


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def _whole(chunk: bytes) -> bool:
    """Whether the chunk ends between characters and sequences: the view ends each picture with one of these."""
    return chunk.endswith((b"m", b"\n", b"h", b"l", b"K", b"A"))


FINAL = """\
shop #41 · main 4f1c0de00000 · push
● checkout  checkout    0.4s  4f1c0de
✕ unit      test         12s  failed 1 test failed · 1 passed, 1 failed
✕ lint      run          12s  errored image ruff:9 not found
○ image     build             blocked needs unit: failed
● docs      run         1.5s  exit 0 (attempt 2)

✕ unit failed: 1 test failed
  ✕ tests.test_till.test_change (tests/test_till.py:12)
    assert 3 == 4
  look closer: ecluse logs 41 unit

✕ lint errored: image ruff:9 not found
  check the name, or log in to its registry
  look closer: ecluse logs 41 lint

✕ shop #41 errored in 14s: 1 errored, 1 failed, 1 blocked, 2 succeeded
  everything about it: ecluse show 41"""


def test_the_final_screen_is_the_picture_and_the_summary() -> None:
    screen, _ = on_terminal("whole", env={})
    assert screen.text == FINAL
    assert screen.cursor_shown


def test_with_no_color_nothing_is_coloured() -> None:
    screen, seen = on_terminal("whole", env={"NO_COLOR": "1"})
    assert screen.text == FINAL
    assert "\x1b[3" not in seen


def test_while_a_stage_runs_its_tail_is_shown_and_an_exception_gives_the_terminal_back() -> None:
    screens: list[str] = []

    def seen(screen: Screen) -> bool:
        screens.append(screen.text)
        return "  │ Receiving objects: 50%" in screen.text

    screen, _ = on_terminal("dies", env={}, until=seen)
    assert any("$ git clone\n  │ Receiving objects: 50%\n○ unit" in text for text in screens)
    assert screen.cursor_shown
    assert screen.text.endswith("the end")
