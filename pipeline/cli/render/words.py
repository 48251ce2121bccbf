"""The words and shapes of a terminal."""

from __future__ import annotations

from pipeline.cli.render.lines import Piece
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
    "count",
    "duration",
    "moment",
    "promotion_look",
    "run_look",
    "shape",
    "short",
    "size",
    "spoken",
    "stage_look",
]


def shape(look: str) -> Piece:
    """The glyph of one of the five states, in its colour."""
    return SHAPES[look], look
