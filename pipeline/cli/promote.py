"""`ecluse promote` and `ecluse rollback`: a release into an environment, forward and back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from pipeline.cli.asked import folder_of, place_option, server_of, server_option
from pipeline.cli.complete import complete_environment, complete_promotion, complete_release
from pipeline.cli.options import application, file_option, json_option, show
from pipeline.cli.promoting import TIMEOUT, carry_out, duration, promotion_options
from pipeline.cli.render.events import now
from pipeline.cli.until import until_option
from pipeline.errors import UsageError


@click.command()
@click.argument("release", metavar="[RELEASE]", required=False, shell_complete=complete_release)
@click.option("--to", "environment", metavar="ENV", shell_complete=complete_environment, help="Where to.")
@click.option(
    "--resume",
    "promotion",
    metavar="PROMOTION",
    is_flag=False,
    flag_value="",
    default=None,
    shell_complete=complete_promotion,
    help="Go on with one that waits, or that was left half-way; by default the only one.",
)
@click.option("--override", default="", metavar="REASON", help="Open its gates by force, where you have the right to.")
@click.option(
    "--wait", metavar="DURATION", callback=duration, help="Wait so long (2h, 30m) for its gates; then end with 4."
)
@promotion_options
@place_option
@server_option
@file_option
@json_option
def promote(
    release: str | None,
    environment: str | None,
    promotion: str | None,
    override: str,
    wait: float | None,
    only_plan: bool,
    yes: bool,
    reason: str,
    timeout: float,
    repository: Path | str,
    server: str | None,
    file: str,
    as_json: bool,
) -> int:
    """Bring RELEASE into an environment, by digest, once its gates are open.

    It shows what would change and what the gates say, asks, and does it. Where gates are shut it waits, without a
    process, until `ecluse promote --resume` goes on with it.
    """
    from pipeline.operations.promotion_order import forward, resumed
    from pipeline.operations.surroundings import surroundings

    if (promotion is None) == (release is None or environment is None):
        raise UsageError(
            "name a release and --to ENV, or --resume", hint="`ecluse releases` lists what can be promoted"
        )
    if (known := server_of(server)) is not None:
        from pipeline.cli.following import nothing_else
        from pipeline.cli.promote_there import promote_there, watch
        from pipeline.model.release import PromotionKind
        from pipeline.remote.there import There

        nothing_else(file=file != "pipeline.yml", timeout=timeout != TIMEOUT)
        there = There(known, repository)
        if promotion is not None:
            nothing_else(override=override, plan=only_plan)
            waiting = there.promotion(promotion)
            return watch(there, waiting.id, run=waiting.run, wait=wait, as_json=as_json)
        return promote_there(
            there, PromotionKind.PROMOTE, str(environment), release=str(release), reason=reason, override=override,
            only_plan=only_plan, yes=yes, wait=wait, as_json=as_json,
        )  # fmt: skip
    app = application()
    place = surroundings(app, folder_of(repository), file=file)
    if promotion is not None:
        order = resumed(app, place, promotion=promotion, override=override)
    else:
        order = forward(
            app, place, release=str(release), environment=str(environment), reason=reason, override=override
        )
    return carry_out(app, place, order, only_plan=only_plan, yes=yes, timeout=timeout, as_json=as_json, wait=wait)


@click.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@click.option("--to", "release", default="", metavar="RELEASE", shell_complete=complete_release, help="Which one.")
@until_option(required=False)
@promotion_options
@place_option
@server_option
@file_option
@json_option
def rollback(
    environment: str,
    release: str,
    until: datetime | None,
    only_plan: bool,
    yes: bool,
    reason: str,
    timeout: float,
    repository: Path | str,
    server: str | None,
    file: str,
    as_json: bool,
) -> int:
    """Go back in ENV to what was verified there before, quickly and without gates.

    It brings back the release with the configuration that it had, and holds the environment (--until, or until
    `ecluse release-hold`), so that the next run does not undo it.
    """
    from pipeline.model.decision import BlockKind
    from pipeline.model.policy import Right
    from pipeline.operations.blocking import block
    from pipeline.operations.promotion_order import back
    from pipeline.operations.surroundings import surroundings

    if (known := server_of(server)) is not None:
        from pipeline.cli.following import nothing_else
        from pipeline.cli.promote_there import promote_there
        from pipeline.model.release import PromotionKind
        from pipeline.remote.there import There

        nothing_else(file=file != "pipeline.yml", timeout=timeout != TIMEOUT, until=until)
        return promote_there(
            There(known, repository), PromotionKind.ROLLBACK, environment, release=release, reason=reason,
            only_plan=only_plan, yes=yes, wait=None, as_json=as_json,
        )  # fmt: skip
    app = application()
    place = surroundings(app, folder_of(repository), file=file)
    order = back(app, place, environment=environment, release=release, reason=reason)

    def hold() -> None:
        from pipeline.cli.render.promoting import block_lines

        words = f"rolled back to {order.release.name}" + (f": {reason}" if reason else "")
        made = block(
            app, place, BlockKind.HOLD, environment=environment, reason=words, until=until, right=Right.ROLLBACK
        )
        if not as_json:
            show(block_lines((made,), now=now()))

    return carry_out(app, place, order, only_plan=only_plan, yes=yes, timeout=timeout, as_json=as_json, before=hold)
