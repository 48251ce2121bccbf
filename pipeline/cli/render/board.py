"""The board in a terminal: environments side by side where there is room, else below each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.environments import ending
from pipeline.cli.render.lines import Line, Piece, fitted, line, plain, width_of
from pipeline.cli.render.terminal import PIPE
from pipeline.cli.render.words import ago, moment, promotion_look, shape, short, spoken
from pipeline.delivery.board import Candidate, Level, UnderWay
from pipeline.model.decision import Block, BlockKind
from pipeline.model.gate import GateState
from pipeline.model.release import Release

NARROWEST = 28
"""Cells that a column needs at the least."""
GAP = 3
_GATES = {GateState.PASSED: "succeeded", GateState.WAITING: "waiting", GateState.FAILED: "failed"}


def board_lines(
    found: Sequence[Level], releases: dict[str, Release], *, now: datetime, width: int, hint: str
) -> list[Line]:
    """All levels, and what to do where something may move."""
    if not found:
        return [line("there are no environments yet; `environments` in the pipeline file makes some")]
    room = (width - GAP * (len(found) - 1)) // len(found)
    if room < NARROWEST or width >= PIPE.width:
        lines = [entry for level in found for entry in (*_column(level, releases, now, width), line())]
    else:
        lines = _beside([_column(level, releases, now, room) for level in found], room)
    return [*lines, line((hint, "dim"))] if hint else lines


def _column(level: Level, releases: dict[str, Release], now: datetime, width: int) -> list[Line]:
    lines: list[Line] = [_title(level)]
    if level.live is None:
        lines.append(line(("  nothing is live", "dim")))
    else:
        name = level.release.name if level.release else short(level.live.release)
        since = ago(level.live.finished or level.live.created, now)
        lines.append(line("  ", (one_line(name), "bold"), (f" since {since}", "dim")))
        lines.append(line((f"  by {one_line(level.live.requested_by)}", "dim")))
        if level.ends is not None:
            lines.append(line((f"  {ending(level.ends, now)}", "dim")))
        if level.live.override:
            lines += _wrapped("warned", f"gates opened by force: {level.live.override}", width)
    for moving in level.under_way:
        lines += _under_way(moving, releases, now, width)
    if level.last is not None:
        words = f"{_name(level.last.release, releases)} {spoken(level.last.state.value)}: {level.last.detail}"
        lines += _wrapped(promotion_look(level.last.state), words, width)
    for block in level.blocks:
        lines += _wrapped("warned", _block(block, releases), width)
    if level.candidate is not None:
        lines += _candidate(level.candidate, now, width)
    return [fitted(entry, width) for entry in lines]


def _title(level: Level) -> Line:
    held = any(item.kind is not BlockKind.BAR for item in level.blocks)
    look = "running" if level.under_way else "warned" if held else "succeeded" if level.live else "waiting"
    after = f" after {', '.join(level.after)}" if level.after else ""
    return line(shape(look), " ", (level.environment, "bold"), (after, "dim"))


def _under_way(moving: UnderWay, releases: dict[str, Release], now: datetime, width: int) -> list[Line]:
    promotion = moving.promotion
    words = f"{_name(promotion.release, releases)} {spoken(promotion.state.value)}, {ago(promotion.created, now)}"
    lines = _wrapped(promotion_look(promotion.state), words, width)
    if moving.missing:
        for gate, reason in moving.missing.items():
            lines += [line("  ") + entry for entry in _wrapped("waiting", f"{gate}: {reason}", width - 2)]
    elif promotion.detail:
        lines += _wrapped("", promotion.detail, width)
    return [*lines, line((f"  promotion {promotion.id}", "dim"))]


def _candidate(candidate: Candidate, now: datetime, width: int) -> list[Line]:
    name, verdict = one_line(candidate.release.name), candidate.verdict
    if verdict is None or verdict.allowed:
        words = "may come in" if verdict is not None else "is next"
        return _wrapped(
            "succeeded" if verdict else "waiting", f"{name} {words}, since {ago(candidate.since, now)}", width
        )
    head = "refused" if verdict.refused else "waits"
    opens = f", may open {moment(verdict.opens)}" if verdict.opens else ""
    lines = _wrapped("failed" if verdict.refused else "waiting", f"{name} {head}{opens}", width)
    for answer in verdict.missing:
        lines += [
            line("  ") + entry for entry in _wrapped(_GATES[answer.state], f"{answer.gate}: {answer.reason}", width - 2)
        ]
    return lines


def _block(block: Block, releases: dict[str, Release]) -> str:
    what = {
        BlockKind.HOLD: "held",
        BlockKind.FREEZE: "frozen",
        BlockKind.BAR: f"{_name(block.release, releases)} is barred",
    }
    until = f" until {moment(block.until)}" if block.until else ""
    return f"{what[block.kind]} by {block.owner}{until}: {block.reason}"


def _wrapped(look: str, text: str, width: int) -> list[Line]:
    """A shape and words that go on below themselves."""
    first: tuple[str | Piece, ...] = (shape(look), " ") if look else ("  ",)
    rows = wrap(one_line(text), max(width - 2, 10)) or [""]
    return [line(*first, rows[0]), *(line(f"  {row}") for row in rows[1:])]


def _beside(columns: Sequence[Sequence[Line]], room: int) -> list[Line]:
    lines: list[Line] = []
    for index in range(max(map(len, columns))):
        pieces: list[Piece] = []
        for column in columns:
            entry = column[index] if index < len(column) else ()
            pieces += entry
            pieces.append((" " * (room - width_of(plain(entry)) + GAP), ""))
        lines.append(tuple(pieces[:-1]))
    return lines


def _name(release: str, releases: dict[str, Release]) -> str:
    known = releases.get(release)
    return one_line(known.name) if known else short(release)
