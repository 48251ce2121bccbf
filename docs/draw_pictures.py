"""Draws the pictures of the documentation from what the real command prints on a terminal.

usage: python docs/draw_pictures.py REPOSITORY     (with the ECLUSE_HOME in which its runs are recorded)
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 108
PICTURES = {
    "run": ("ecluse show last", ["show", "last"], 22),
    "failed": ("ecluse show 2", ["show", "2"], 24),
    "history": ("ecluse history dev", ["history", "dev"], 12),
}
"""File name to title, arguments, and at most how many lines."""


def on_a_terminal(command: list[str], folder: Path) -> str:
    """What a command writes to a terminal of our width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    environment = {**os.environ, "COLUMNS": str(WIDTH), "LINES": "50", "TERM": "xterm-256color"}
    environment.pop("CI", None)
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=follower, stderr=follower) as process:
        os.close(follower)
        written = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                break
            if not chunk:
                break
            written += chunk
        process.wait()
    os.close(leader)
    return written.decode(errors="replace").replace("\r\n", "\n")


def draw(title: str, text: str, lines: int, path: Path) -> None:
    """An SVG of a terminal window, without references to other hosts."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor")
        shown = text.rstrip("\n").split("\n")
        console.print(Text.from_ansi("\n".join(shown[:lines])), no_wrap=True, crop=True, overflow="ellipsis")
    svg = console.export_svg(title=title)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def main() -> int:
    """Draw every picture that this repository's runs can show."""
    if len(sys.argv) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    here = Path(__file__).resolve().parent / "pictures"
    repository = Path(sys.argv[1]).resolve()
    ecluse = str(Path(sys.executable).with_name("ecluse"))
    for name, (title, arguments, lines) in PICTURES.items():
        text = on_a_terminal([ecluse, *arguments], repository).replace(str(repository), "~/shop")
        draw(title, text, lines, here / f"{name}.svg")
        sys.stdout.write(f"docs/pictures/{name}.svg\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
