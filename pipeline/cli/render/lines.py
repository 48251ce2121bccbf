"""Lines of output as pieces with a role: written plainly, or with colours where a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from pipeline.cli.render.terminal import Terminal

Piece: TypeAlias = tuple[str, str]
"""A text and its role (a key of STYLES, or "")."""
Line: TypeAlias = tuple[Piece, ...]

STYLES: Mapping[str, str] = {
    "": "",
    "succeeded": "32",
    "running": "34",
    "waiting": "2",
    "failed": "1;31",
    "warned": "33",
    "dim": "2",
    "bold": "1",
    "accent": "36",
}
"""Role to the parameters of SGR (ECMA-48, 8.3.117)."""


def line(*pieces: str | Piece) -> Line:
    """A line from plain texts and (text, role) pieces."""
    return tuple((piece, "") if isinstance(piece, str) else piece for piece in pieces)


def plain(pieces: Line) -> str:
    """The text alone."""
    return "".join(text for text, _ in pieces)


def coloured(pieces: Line) -> str:
    """The text with colours."""
    return "".join(f"\x1b[{STYLES[role]}m{text}\x1b[0m" if STYLES[role] and text else text for text, role in pieces)


def written(lines: Iterable[Line], terminal: Terminal) -> str:
    """All lines as the terminal can show them, each with its line end."""
    spell = coloured if terminal.colour else plain
    text = "".join(spell(pieces).rstrip(" ") + "\n" for pieces in lines)
    return text if terminal.unicode else text.translate(ASCII)


def width_of(text: str) -> int:
    """Cells of a terminal that a text takes."""
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fitted(pieces: Line, width: int) -> Line:
    """The line cut to `width` cells of a terminal, with an ellipsis where something is missing."""
    if sum([width_of(text) for text, _ in pieces]) <= width:
        return pieces
    from rich.cells import set_cell_size

    kept: list[Piece] = []
    left = max(width - 1, 0)
    for text, role in pieces:
        size = width_of(text)
        if size > left:
            kept.append((set_cell_size(text, left) + "…", role))
            break
        kept.append((text, role))
        left -= size
    return tuple(kept)


def columns(rows: Sequence[Sequence[str | Piece]], *, gap: int = 2, right: frozenset[int] = frozenset()) -> list[Line]:
    """Rows of cells as lines with aligned columns; the columns in `right` are set flush right."""
    cells = [line(*row) for row in rows]
    widths = [max(map(width_of, column)) for column in zip(*([text for text, _ in row] for row in cells), strict=True)]
    lines: list[Line] = []
    for row in cells:
        pieces: list[Piece] = []
        for index, (text, role) in enumerate(row):
            space = " " * (widths[index] - width_of(text))
            before, behind = (space, "") if index in right else ("", space)
            last = index == len(row) - 1
            pieces += [(before, ""), (text, role), ("" if last else behind + " " * gap, "")]
        lines.append(tuple(piece for piece in pieces if piece[0]))
    return lines


ASCII = str.maketrans(
    {
        "●": "*", "◐": "~", "◓": "~", "◑": "~", "◒": "~", "○": "o", "✕": "x", "▲": "!",
        "│": "|", "├": "|", "└": "`", "─": "-", "·": "-", "…": "...", "→": "->", "▁": "_", "▂": ".", "▃": "-", "▄": "~",
        "▅": "=", "▆": "+", "▇": "#", "█": "@", "É": "E", "—": "-",
    }
)  # fmt: skip
"""What a terminal without Unicode shows instead."""
