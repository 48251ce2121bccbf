"""What the commands share that bring a release in: the plan is shown, somebody says yes, it is done and told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.options import output, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.stopping import stopping
from pipeline.errors import ExitCode, ParkedError, UsageError
from pipeline.model.quantity import seconds
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.status import PromotionState
from pipeline.ports.cancellation import Cancellation

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.delivery.promoter import Order
    from pipeline.operations.promote import Outlook
    from pipeline.operations.surroundings import Surroundings
    from pipeline.ports.application import Application

Command = TypeVar("Command", bound=Callable[..., Any])
TIMEOUT = 120.0
"""Seconds of `--timeout` where nobody says otherwise."""


def promotion_options(command: Command) -> Command:
    """`--plan`, `--yes`, `--reason`, `--timeout`."""
    options = (
        click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and do nothing."),
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option("--reason", default="", metavar="TEXT", help="What the ledger will say."),
        click.option(
            "--timeout",
            default="2m",
            show_default=True,
            metavar="DURATION",
            callback=duration,
            help="How long the new version may take to become healthy.",
        ),
    )
    for option in options:
        command = option(command)
    return command


def carry_out(
    app: Application,
    place: Surroundings,
    order: Order,
    *,
    only_plan: bool,
    yes: bool,
    timeout: float,
    as_json: bool,
    wait: float | None = None,
    before: Callable[[], None] = lambda: None,
) -> int:
    """Show the plan, ask, do it; the exit status says how it ended. `before` is called once it is wanted."""
    from pipeline.operations.promote import outlook
    from pipeline.operations.review_ends import tidy_reviews

    found = outlook(app, place, order)
    if not as_json:
        from pipeline.cli.render.promoting import outlook_page

        show(outlook_page(found, now=now(), width=output().width))
    if only_plan:
        if as_json:
            show_json(planned_json(found))
        return ExitCode.REFUSED if found.verdict.refused else ExitCode.SUCCEEDED
    agree(found, yes=yes)
    tidy_reviews(
        app, place.repository, place.folder, but=(order.environment.name,), progress=partial(click.echo, err=as_json)
    )
    before()
    return _do(app, place, order, found, timeout=timeout, wait=wait, as_json=as_json)


def planned_json(found: Outlook) -> dict[str, object]:
    """What would be done, for programs."""
    verdict = found.verdict
    return {
        "release": {"id": found.release.id, "name": found.release.name, "commit": found.release.commit},
        "environment": found.environment.name,
        "plan": {"digest": found.plan.digest, **_fields(found.plan)},
        "promotion": found.promotion or None,
        "verdict": {
            "allowed": verdict.allowed,
            "refused": verdict.refused,
            "opens": verdict.opens,
            **_fields(verdict),
        },
        "differences": found.comparison,
    }


def _do(
    app: Application,
    place: Surroundings,
    order: Order,
    found: Outlook,
    *,
    timeout: float,
    wait: float | None,
    as_json: bool,
) -> int:
    from pipeline.cli.render.promoting import ended_lines
    from pipeline.operations.onward import bring_on
    from pipeline.operations.promote import promote

    def say(text: str) -> None:
        click.echo(text, err=as_json)

    cancel = Cancellation()
    until = app.clock.monotonic() + (wait or 0.0)
    try:
        with stopping(cancel, note=say):
            promotion = promote(app, place, order, wait=wait, timeout=timeout, progress=say, cancel=cancel)
            if promotion.state is PromotionState.DEPLOYED and order.kind is PromotionKind.PROMOTE:
                left = None if wait is None else max(0.0, until - app.clock.monotonic())
                bring_on(app, place, order.release, wait=left, progress=say, cancel=cancel)
    except ParkedError as error:
        return _parked(app, error, found, waited=wait is not None, as_json=as_json)
    if as_json:
        show_json({**planned_json(found), "promotion": promotion, "ledger": _anchor(app)})
    else:
        show(ended_lines(promotion, order.release, head=app.records.head(), width=output().width))
    return status_of(promotion)


def status_of(promotion: Promotion) -> ExitCode:
    """The exit status that the end of a promotion has."""
    match promotion.state:
        case PromotionState.DEPLOYED:
            return ExitCode.SUCCEEDED
        case PromotionState.ROLLED_BACK:
            return ExitCode.ROLLED_BACK
        case PromotionState.REFUSED | PromotionState.SUPERSEDED:
            return ExitCode.REFUSED
        case _:
            return ExitCode.FAILED


def _parked(app: Application, error: ParkedError, found: Outlook, *, waited: bool, as_json: bool) -> int:
    """It waits, and that is no failure; where somebody waited for it in vain, it is."""
    promotion = app.records.find_promotion(error.promotion)
    if as_json:
        show_json({**planned_json(found), "promotion": promotion, "ledger": _anchor(app)})
    else:
        from pipeline.cli.render.promoting import ended_lines

        show(ended_lines(promotion, found.release, head=app.records.head(), width=output().width))
        click.echo(f"  {error.hint}")
    return ExitCode.REFUSED if waited else ExitCode.SUCCEEDED


def _anchor(app: Application) -> str | None:
    """The ledger's head as `ecluse ledger verify --anchor` takes it, also from a file in which it stands."""
    from pipeline.model.ledger import Anchor

    head = app.records.head()
    return str(Anchor.of(head)) if head is not None else None


def agree(found: Outlook, *, yes: bool) -> None:
    """Ask whether it is to be done. UsageError where nobody can answer, Abort where somebody says no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"bringing {found.release.name} into '{found.environment.name}' was not confirmed",
            hint="call it with --yes where nobody can answer, or with --plan to look only",
        )
    click.confirm("Do it?", abort=True, err=True)


def duration(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:  # noqa: ARG001 - click's
    """`30s`, `2h` as seconds."""
    try:
        return None if text is None else seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _fields(thing: object) -> dict[str, object]:
    from pipeline.model.value import to_value

    value = to_value(thing)
    return dict(value) if isinstance(value, dict) else {}
