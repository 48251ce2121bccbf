"""The words and shapes of a page, and other people's text made fit for one."""

from __future__ import annotations

import re

from pipeline.model.words import (
    SHAPES,
    ago,
    count,
    duration,
    moment,
    promotion_look,
    run_look,
    short,
    size,
    spoken,
    stage_look,
)

__all__ = [
    "SHAPES",
    "ago",
    "bare",
    "count",
    "duration",
    "first_line",
    "moment",
    "one_line",
    "promotion_look",
    "run_look",
    "short",
    "size",
    "spoken",
    "stage_look",
]
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # controls, bidi overrides
)


def bare(text: object) -> str:
    """Other people's text without control sequences and without characters that turn the direction of reading."""
    return _CONTROL.sub("", str(text).encode("utf-8", "replace").decode())


def one_line(text: object) -> str:
    """The same on one line."""
    return " ".join(bare(text).split())


def first_line(text: object) -> str:
    """The first line that says something, of a commit's message."""
    return next((one_line(line) for line in bare(text).splitlines() if line.strip()), "")
