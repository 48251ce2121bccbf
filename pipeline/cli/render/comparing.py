"""Release notes and the difference of two releases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import ago, count, shape, short
from pipeline.delivery.difference import Change
from pipeline.delivery.notes import NotedCommit, Notes
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.operations.comparing import Comparison, ReleaseNotes
from pipeline.operations.drifting import Drift

SOME = 40
"""How many packages of a difference are shown; `--json` has all."""


def notes_page(found: ReleaseNotes, *, now: datetime, width: int) -> list[Line]:
    """From which release to which, and the commits."""
    old = one_line(found.old.name) if found.old else "the beginning"
    head = line(("from ", "dim"), (old, "bold"), (" to ", "dim"), (one_line(found.new.name), "bold"))
    lines = [head, *note_lines(found.notes, now=now)]
    return [fitted(entry, width) for entry in lines]


def note_lines(notes: Notes, *, now: datetime, limit: int | None = None) -> list[Line]:
    """The commits of both ways, then who wrote them."""
    lines: list[Line] = []
    if not notes.added and not notes.removed:
        lines.append(line(("  no commits", "dim"), "" if not notes.cut else " that are known here"))
    lines += _commits(notes.added, now, limit)
    if notes.removed:
        lines.append(line(("  takes away ", "warned"), count(len(notes.removed), "commit"), ":"))
        lines += _commits(notes.removed, now, limit)
    if notes.authors:
        people = ", ".join(f"{one_line(name)} ({number})" for name, number in notes.authors)
        lines.append(line(("  by ", "dim"), people))
    if notes.cut:
        lines.append(line(("  there may be more: the history here is cut off, or very long", "warned")))
    return lines


def comparison_page(found: Comparison, *, names: tuple[str, str], now: datetime, width: int) -> list[Line]:
    """What differs between two releases; `names` says where each of them is, old first."""
    old, new = names
    rows: list[list[str | Piece]] = [
        [(old, "dim"), (one_line(found.old.name), "bold"), (short(found.old.id), "dim")],
        [(new, "dim"), (one_line(found.new.name), "bold"), (short(found.new.id), "dim")],
    ]
    lines = columns(rows)
    difference = found.difference
    if difference.empty and (found.notes is None or not (found.notes.added or found.notes.removed)):
        lines.append(line(shape("succeeded"), " nothing differs"))
    lines += _section("images", difference.images)
    lines += _section("configuration", difference.configuration)
    lines += _section("packages", difference.packages)
    lines += _findings("new findings", difference.introduced, "failed")
    lines += _findings("findings gone", difference.fixed, "succeeded")
    if found.notes is not None and (found.notes.added or found.notes.removed or found.notes.cut):
        lines += [line(("commits", "bold")), *note_lines(found.notes, now=now)]
    unknown = (*difference.unknown, *((f"commits: {found.problem}",) if found.problem else ()))
    lines += [line(("not compared: ", "warned"), one_line(text)) for text in unknown]
    return [fitted(entry, width) for entry in lines]


def _commits(commits: Sequence[NotedCommit], now: datetime, limit: int | None) -> list[Line]:
    rows: list[list[str | Piece]] = []
    for item in commits[:limit]:
        commit = item.commit
        role = "" if item.counts else "dim"
        mark: Piece = ("", "")
        if item.reverted_by:
            mark = (f"reverted by {short(item.reverted_by)}", "warned")
        elif item.reverts_here:
            mark = ("reverts one of these", "warned")
        elif commit.reverts:
            mark = (f"reverts {short(commit.reverts[0])}", "warned")
        who = (one_line(commit.author), "dim")
        rows.append(
            [
                ("  " + short(commit.sha), "accent"),
                (one_line(commit.subject), role),
                who,
                (ago(commit.time, now), "dim"),
                mark,
            ]
        )
    lines = columns(rows) if rows else []
    if limit is not None and len(commits) > limit:
        lines.append(line((f"  … and {count(len(commits) - limit, 'more commit')}", "dim")))
    return lines


def _section(title: str, changes: Sequence[Change]) -> list[Line]:
    if not changes:
        return []
    rows: list[list[str | Piece]] = []
    for change in changes[:SOME]:
        sign: Piece = ("+", "succeeded") if not change.old else ("-", "failed") if not change.new else ("~", "warned")
        values = one_line(
            f"{_value(change.old)} → {_value(change.new)}"
            if change.old and change.new
            else _value(change.old or change.new)
        )
        rows.append([("  ", ""), sign, one_line(change.name), (values, "dim")])
    lines = [line((title, "bold"), (f"  {len(changes)}", "dim")), *columns(rows, gap=1)]
    if len(changes) > SOME:
        lines.append(line((f"    … and {len(changes) - SOME} more (`--json` has all)", "dim")))
    return lines


def _value(text: str) -> str:
    """A value; of an image its digest is enough."""
    name, at, digest = text.partition("@sha256:")
    return f"{name}@{digest[:12]}" if at else text


def _findings(title: str, findings: Sequence[Finding], look: str) -> list[Line]:
    if not findings:
        return []
    lines = [line((title, "bold"), (f"  {len(findings)}", "dim"))]
    for item in findings[:SOME]:
        grave = item.severity.rank >= FindingSeverity.HIGH.rank
        where = item.package or item.file
        lines.append(
            line(
                "  ",
                shape(look if grave or look == "succeeded" else "warned"),
                f" {item.severity.value:<8} ",
                (one_line(item.rule), "bold"),
                one_line(f" {where} {item.version}".rstrip()),
            )
        )
    if len(findings) > SOME:
        lines.append(line((f"    … and {len(findings) - SOME} more (`--json` has all)", "dim")))
    return lines


def drift_lines(found: Sequence[Drift], *, width: int) -> list[Line]:
    """A line an environment, and below it what is otherwise than the ledger says."""
    lines: list[Line] = []
    for item in found:
        name, release = (one_line(item.environment), "bold"), (one_line(item.release.name), "bold")
        if item.observed is None:
            why = f" (its target cannot be asked: {one_line(item.problem)})"
            lines.append(line(shape("waiting"), " ", name, " has ", release, ", says the ledger", (why, "warned")))
        elif item.differences:
            lines.append(line(shape("warned"), " ", name, " has drifted from ", release))
            lines += [line(f"    {one_line(text)}") for text in item.differences]
        else:
            lines.append(line(shape("succeeded"), " ", name, " runs ", release, ", as the ledger says"))
    if not found:
        lines.append(line("nothing is deployed anywhere yet; a stage of kind deploy brings releases to an environment"))
    return [fitted(entry, width) for entry in lines]
