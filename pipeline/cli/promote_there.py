"""`ecluse promote`, `rollback` and `env restore` with a server: the same plan is shown, a worker carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.following import said_to
from pipeline.cli.options import output, show, show_json
from pipeline.cli.promoting import agree, planned_json, status_of
from pipeline.cli.render.events import now
from pipeline.errors import ExitCode
from pipeline.model.release import PromotionKind
from pipeline.model.status import PROMOTION_MOVES

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.release import Promotion
    from pipeline.operations.promote import Outlook
    from pipeline.remote.there import There


def promote_there(
    there: There,
    kind: PromotionKind,
    environment: str,
    *,
    release: str = "",
    reason: str = "",
    override: str = "",
    only_plan: bool,
    yes: bool,
    wait: float | None,
    as_json: bool,
) -> int:
    """Show the plan, ask, ask the server, watch; the exit status says how it ended."""
    found = there.outlook(kind, environment, release)
    if not as_json:
        from pipeline.cli.render.promoting import outlook_page

        show(outlook_page(found, now=now(), width=output().width))
    if only_plan:
        if as_json:
            show_json(planned_json(found))
        return ExitCode.REFUSED if found.verdict.refused else ExitCode.SUCCEEDED
    agree(found, yes=yes)
    why = reason or ("" if kind is PromotionKind.PROMOTE else "no reason was given")
    item = there.wish(kind, environment, release=found.release.id, reason=why, override=override)
    return watch(there, item.id, wait=wait, as_json=as_json, found=found)


def watch(
    there: There, id_: str, *, wait: float | None, as_json: bool, found: Outlook | None = None, run: str = ""
) -> int:
    """Watch one until it has ended or waits. Ctrl-C leaves it to the server, and says so."""
    try:
        promotion = there.watch(id_, run=run, wait=wait, say=lambda text: click.echo(f"· {text}", err=as_json))
    except KeyboardInterrupt:
        click.echo(f"it goes on at {there.connection.server.url}", err=as_json)
        click.echo(f"say no to it with: ecluse reject {id_} --reason TEXT{said_to(there)}", err=as_json)
        return ExitCode.CANCELLED
    _show(there, promotion, found, as_json=as_json)
    if promotion.finished is None and PROMOTION_MOVES[promotion.state]:
        if not as_json:
            word = f"ecluse approve {promotion.id}{said_to(there)}"
            click.echo(f"  the server goes on with it once its gates are open: {word}")
        return ExitCode.REFUSED if wait is not None else ExitCode.SUCCEEDED
    return status_of(promotion)


def _show(there: There, promotion: Promotion, found: Outlook | None, *, as_json: bool) -> None:
    from pipeline.model.ledger import Anchor

    head = there.head()
    if as_json:
        anchor = str(Anchor(hash=head.hash, seq=head.seq)) if head else None
        planned = planned_json(found) if found else {}
        show_json({**planned, "promotion": promotion, "ledger": anchor})
        return
    from pipeline.cli.render.promoting import ended_lines

    entry = there.entry(head.seq) if head else None
    release = found.release if found else there.release(promotion.release)
    show(ended_lines(promotion, release, head=entry, width=output().width))
