"""The words and shapes of a page, and other people's text made fit for one."""

from __future__ import annotations

from pipeline.model.clean import bare, first_line, one_line
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
