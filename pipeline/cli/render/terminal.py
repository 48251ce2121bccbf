"""What the place that output goes to can show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminal:
    """`live`: lines can be redrawn; `colour`: SGR colours are wanted; `interactive`: a person looks at a terminal.

    `width` and `height` are in cells; a pipe is as wide as its lines.
    """

    interactive: bool
    live: bool
    colour: bool
    unicode: bool
    width: int
    height: int


PIPE = Terminal(interactive=False, live=False, colour=False, unicode=True, width=10_000, height=10_000)
"""A file or a pipe."""


def terminal_of(stream: TextIO, environment: Mapping[str, str]) -> Terminal:
    """What `stream` is. NO_COLOR, CI and TERM=dumb are honoured; nothing is written to find out."""
    interactive = stream.isatty()
    unicode = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "") in ("utf8", "utf16")
    in_ci = environment.get("CI", "").lower() not in ("", "0", "false")
    capable = interactive and environment.get("TERM", "dumb") != "dumb" and not in_ci
    size = os.terminal_size((10_000, 10_000))
    if interactive:
        size = _size(stream)
    return Terminal(
        interactive=interactive,
        live=capable,
        colour=capable and not environment.get("NO_COLOR"),
        unicode=unicode,
        width=size.columns,
        height=size.lines,
    )


def _size(stream: TextIO) -> os.terminal_size:
    try:
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return os.terminal_size((80, 24))
    return os.terminal_size((size.columns or 80, size.lines or 24))
