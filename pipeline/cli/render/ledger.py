"""Entries of the ledger, and whether it holds, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import count, moment, shape, short
from pipeline.model.release import LedgerEntry
from pipeline.model.value import Value, to_value
from pipeline.operations.ledger_verify import Verification


def entry_lines(found: Sequence[LedgerEntry], *, width: int) -> list[Line]:
    """A line an entry, oldest first: its place, when, who, what, of what, why."""
    if not found:
        return [line("no entry of the ledger matches")]
    rows: list[list[str | Piece]] = [
        [
            (str(entry.seq), "bold"),
            (moment(entry.time), "dim"),
            one_line(entry.actor),
            (one_line(entry.action), "accent"),
            about(entry),
            (one_line(entry.reason), "dim"),
        ]
        for entry in found
    ]
    return [fitted(row, width) for row in columns(rows, right=frozenset({0}))]


def entries(number: int) -> str:
    """`1 entry`, `3 entries`."""
    return "1 entry" if number == 1 else f"{number:,} entries"


def one_entry_lines(entry: LedgerEntry) -> list[Line]:
    """Everything that one entry says."""
    facts = {
        "time": moment(entry.time),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "reason": entry.reason,
        "previous": entry.previous,
        "hash": entry.hash,
    }
    rows: list[list[str | Piece]] = [[(name, "dim"), one_line(value)] for name, value in facts.items()]
    data = json.dumps(to_value(entry.data), indent=2, ensure_ascii=False).splitlines() if entry.data else []
    return [line((f"entry {entry.seq}", "bold")), *columns(rows), *(line(one_line_kept(text)) for text in data)]


def one_line_kept(text: str) -> str:
    """A line of JSON with its indentation, and without anything that a terminal would obey."""
    return " " * (len(text) - len(text.lstrip(" "))) + one_line(text)


def about(entry: LedgerEntry) -> str:
    """What an entry is about, in a few words."""
    match entry.data:
        case {"promotion": {"environment": str(environment)}, "release": {"name": str(name)}}:
            return one_line(f"{environment}: {name}")
        case {"approval": {"person": str(person)}}:
            return one_line(f"{person}: promotion …{entry.subject[-8:]}")
        case {"block": {"environment": str(environment)}}:
            return one_line(environment) or "all environments"
        case {"release": {"name": str(name)}}:
            return one_line(name)
        case _:
            return short(one_line(entry.subject)) if entry.subject.startswith("sha256:") else one_line(entry.subject)


def verification_lines(found: Verification, *, where: str) -> list[Line]:
    """Whether a ledger holds, and what that was held against."""
    if found.broken is not None:
        said = f" the ledger in {where} does not hold at entry {found.broken.seq}: "
        verdict = line(shape("failed"), (said, "failed"), found.broken.what)
        until = (
            f"  {count(found.entries, 'entry').replace('entrys', 'entries')} before it hold" if found.entries else ""
        )
        return [verdict, *([line((until, "dim"))] if until else []), *_signatures(found)]
    verb = "holds" if found.entries == 1 else "hold"
    look = "succeeded" if found.holds else "failed"
    lines = [line(shape(look), f" the ledger in {where}: {entries(found.entries)} {verb}")]
    if found.head is not None:
        lines.append(line(("  last entry ", "dim"), str(found.head)))
    lines.append(line((f"  {_evidence(found)}", "dim")))
    return lines + _signatures(found)


def _evidence(found: Verification) -> str:
    if not found.anchors:
        return "held against nothing that was noted elsewhere: a cut-off end would not show (--anchor, --note)"
    foreign = f"; {count(found.foreign, 'note')} of other ledgers left aside" if found.foreign else ""
    return f"held against {count(found.anchors, 'place')} noted elsewhere{foreign}"


def _signatures(found: Verification) -> list[Line]:
    lines = [line(shape("failed"), f" {one_line(text)}") for text in found.unsigned]
    if found.signers:
        lines.append(line((f"  head signed by {', '.join(map(one_line, found.signers))}", "dim")))
    return lines


def verification_json(found: Verification, *, where: str) -> Mapping[str, Value]:
    """The same for programs."""
    return {
        "where": where,
        "holds": found.holds,
        "entries": found.entries,
        "head": to_value(found.head),
        "broken": to_value(found.broken),
        "anchors": found.anchors,
        "foreign_notes": found.foreign,
        "signers": to_value(found.signers),
        "signature_problems": to_value(found.unsigned),
    }
