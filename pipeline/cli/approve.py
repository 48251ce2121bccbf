"""`ecluse approve` and `ecluse reject`: what people say to a promotion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.cli.asked import folder_of, place_option, server_of, server_option
from pipeline.cli.complete import complete_promotion
from pipeline.cli.options import application, file_option, json_option, show, show_json

Command = TypeVar("Command", bound=Callable[..., Any])


def _answer_options(command: Command) -> Command:
    key = click.option(
        "--key",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="ECLUSE_KEY",
        metavar="FILE",
        help="Your Ed25519 key, whose public half the policy lists; ECLUSE_KEY names it, too.",
    )
    argument = click.argument("promotion", metavar="PROMOTION", shell_complete=complete_promotion)
    return argument(key(place_option(server_option(file_option(json_option(command))))))


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="What the ledger will say.")
@_answer_options
def approve(
    promotion: str, reason: str, key: Path | None, repository: Path | str, server: str | None, file: str, as_json: bool
) -> None:
    """Say yes to PROMOTION as it is planned now. A plan that changes afterwards needs another yes."""
    from pipeline.model.decision import Answer

    _answer(
        promotion,
        Answer.APPROVE,
        reason=reason,
        key=key,
        repository=repository,
        server=server,
        file=file,
        as_json=as_json,
    )


@click.command()
@click.option("--reason", required=True, metavar="TEXT", help="What the ledger will say.")
@_answer_options
def reject(
    promotion: str, reason: str, key: Path | None, repository: Path | str, server: str | None, file: str, as_json: bool
) -> None:
    """Say no to PROMOTION: it is refused, whatever others say."""
    from pipeline.model.decision import Answer

    _answer(
        promotion,
        Answer.REJECT,
        reason=reason,
        key=key,
        repository=repository,
        server=server,
        file=file,
        as_json=as_json,
    )


def _answer(
    promotion: str,
    answer: Any,
    *,
    reason: str,
    key: Path | None,
    repository: Path | str,
    server: str | None,
    file: str,
    as_json: bool,
) -> None:
    known = server_of(server)
    if known is not None:
        from pipeline.remote.there import There

        kept = There(known, repository).answer(promotion, answer, reason)
    else:
        from pipeline.operations.approving import answer as keep
        from pipeline.operations.surroundings import surroundings

        app = application()
        place = surroundings(app, folder_of(repository), file=file)
        kept = keep(app, place, promotion=promotion, answer=answer, reason=reason, key=key)
    if as_json:
        show_json({"approval": kept.approval, "promotion": kept.promotion, "verdict": kept.verdict})
        return
    from pipeline.cli.render.promoting import verdict_lines

    word = "approved" if answer == "approve" else "rejected"
    click.echo(f"{kept.approval.person} {word} promotion {kept.promotion.id} to {kept.promotion.environment}")
    show(verdict_lines(kept.verdict))
    if kept.verdict.allowed:
        run, waiting = kept.promotion.run, kept.promotion.id
        again = f"ecluse resume {run}" if run else f"ecluse promote --resume {waiting}"
        goes_on = "the server goes on with it" if known is not None else "whoever waits beside it goes on"
        click.echo(goes_on if kept.told or known is not None else f"go on with it: {again}")
