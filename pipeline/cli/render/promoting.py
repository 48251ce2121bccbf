"""A promotion before it is made, while it waits, and at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.cli.render.chart import chart_lines
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.comparing import comparison_page
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import ago, moment, promotion_look, shape, short, spoken
from pipeline.model.decision import Block
from pipeline.model.gate import GateAnswer, GateState, Verdict
from pipeline.model.ledger import head_line
from pipeline.model.release import LedgerEntry, Promotion, PromotionKind, Release
from pipeline.operations.promote import Outlook

_LOOKS = {GateState.PASSED: "succeeded", GateState.WAITING: "waiting", GateState.FAILED: "failed"}
_VERBS = {
    PromotionKind.PROMOTE: "bring in",
    PromotionKind.ROLLBACK: "go back to",
    PromotionKind.RESTORE: "put back",
}


def outlook_page(found: Outlook, *, now: datetime, width: int) -> list[Line]:
    """What would be done, what differs, and what the gates say."""
    where, replaced = found.environment.name, found.replaced
    lines = [line((f"{_VERBS[found.plan.kind]} ", "dim"), _named(found.release), (f" in {where}", "bold"))]
    if found.comparison is not None:
        lines += comparison_page(found.comparison, names=("serves now", "would serve"), now=now, width=width)
    else:
        unknown = f"what serves there is not known here: {short(found.plan.replaces)}"
        lines.append(line((unknown if found.plan.replaces else "nothing serves there yet", "dim")))
        if replaced is not None:
            lines.append(line(("replaces ", "dim"), _named(replaced)))
    if found.plan.strategy:
        lines.append(line(("strategy ", "dim"), one_line(found.plan.strategy)))
    lines += verdict_lines(found.verdict)
    lines.append(line(("plan ", "dim"), found.plan.digest))
    return [fitted(entry, width) for entry in lines]


def verdict_lines(verdict: Verdict) -> list[Line]:
    """Each gate with its answer; the ones that are not open come last, where one looks."""
    ordered = sorted(verdict.answers, key=lambda item: item.state is not GateState.PASSED)
    rows = [_gate(item) for item in ordered]
    lines = [line(("gates", "bold")), *columns(rows)] if rows else [line(("no gates", "dim"))]
    if verdict.override is not None:
        words = f"opened by force by {one_line(verdict.override.person)}: {one_line(verdict.override.reason)}"
        lines.append(line(shape("warned"), " ", (words, "warned")))
    elif verdict.opens is not None and not verdict.allowed and not verdict.refused:
        lines.append(line(("  not before ", "dim"), moment(verdict.opens)))
    return lines


def ended_lines(promotion: Promotion, release: Release, *, head: LedgerEntry | None, width: int) -> list[Line]:
    """How a promotion ended, or that it waits; and the ledger's head, for whoever keeps what was printed."""
    look = promotion_look(promotion.state)
    first = line(
        shape(look),
        " ",
        _named(release),
        f" in {one_line(promotion.environment)}: ",
        (spoken(promotion.state.value), look),
    )
    lines = [first]
    if promotion.detail:
        lines.append(line(("  " + one_line(promotion.detail), "dim")))
    lines += [line("  ", *chart) for chart in chart_lines(promotion.measurements)]
    lines.append(line(("  promotion ", "dim"), promotion.id))
    anchor = [line((f"  {head_line(head)}", "dim"))] if head is not None else []  # whole: half an anchor holds nothing
    return [*(fitted(entry, width) for entry in lines), *anchor]


def block_lines(blocks: Sequence[Block], *, now: datetime) -> list[Line]:
    """What was set or lifted."""
    return [_block(item, now) for item in blocks]


def _gate(answer: GateAnswer) -> list[str | Piece]:
    look = _LOOKS[answer.state]
    role = "" if answer.state is GateState.PASSED else "failed" if answer.state is GateState.FAILED else "warned"
    return ["  ", shape(look), (one_line(answer.gate), "bold"), (one_line(answer.reason), role)]


def _block(item: Block, now: datetime) -> Line:
    where = item.environment or "every environment"
    if item.lifted is not None:
        by = f" lifted by {one_line(item.lifted_by)}"
        return line(shape("succeeded"), f" {item.kind.value} of ", (where, "bold"), by)
    end = f" until {moment(item.until)}" if item.until else " until somebody lifts it"
    what = {"hold": "held", "freeze": "frozen", "bar": "barred"}[item.kind.value]
    return line(
        shape("warned"),
        " ",
        (where, "bold"),
        f" is {what}{end} by {one_line(item.owner)}: {one_line(item.reason)} ",
        (f"({ago(item.created, now)})", "dim"),
    )


def _named(release: Release) -> Piece:
    return (one_line(release.name), "bold")
