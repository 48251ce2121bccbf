"""`ecluse env`: what concerns one environment as a whole."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from pipeline.cli.asked import folder_of, place_option, server_of, server_option
from pipeline.cli.complete import complete_environment
from pipeline.cli.environment_pages import list_environments, show_environment
from pipeline.cli.environment_views import diff, drift
from pipeline.cli.history import history
from pipeline.cli.options import application, file_option, json_option
from pipeline.cli.promoting import TIMEOUT, carry_out, promotion_options
from pipeline.errors import UsageError


@click.group()
def env() -> None:
    """Look after environments."""


@env.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@promotion_options
@place_option
@server_option
@file_option
@json_option
def restore(
    environment: str,
    only_plan: bool,
    yes: bool,
    reason: str,
    timeout: float,
    repository: Path | str,
    server: str | None,
    file: str,
    as_json: bool,
) -> int:
    """Put back in ENV what the ledger says is live there, with its configuration, where something else runs."""
    from pipeline.operations.promotion_order import again
    from pipeline.operations.surroundings import surroundings

    if (known := server_of(server)) is not None:
        from pipeline.cli.following import nothing_else
        from pipeline.cli.promote_there import promote_there
        from pipeline.model.release import PromotionKind
        from pipeline.remote.there import There

        nothing_else(file=file != "pipeline.yml", timeout=timeout != TIMEOUT)
        return promote_there(
            There(known, repository), PromotionKind.RESTORE, environment, reason=reason,
            only_plan=only_plan, yes=yes, wait=None, as_json=as_json,
        )  # fmt: skip
    app = application()
    place = surroundings(app, folder_of(repository), file=file)
    order = again(app, place, environment=environment, reason=reason)
    return carry_out(app, place, order, only_plan=only_plan, yes=yes, timeout=timeout, as_json=as_json)


@env.command()
@click.argument("environment", metavar="ENV")
@place_option
@server_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="no longer needed", show_default=True, help="What the ledger will say.")
def remove(environment: str, repository: Path | str, server: str | None, yes: bool, reason: str) -> None:
    """Take away everything that runs for ENV. Its history stays, with a line that says who did this."""
    from pipeline.operations.environments import live_promotion, remove_environment
    from pipeline.operations.place import repository_of

    if (known := server_of(server)) is not None:
        from pipeline.remote.there import There

        there = There(known, repository)
        _agree(environment, there.why(environment).arrival.promotion.release, yes=yes)
        there.remove(environment, reason=reason)
        _removed(environment)
        return
    app = application()
    promotion = live_promotion(app, repository=repository_of(folder_of(repository)), environment=environment)
    _agree(environment, promotion.release, yes=yes)
    remove_environment(app, promotion, actor=getpass.getuser(), reason=reason, progress=_told)
    _removed(environment)


def _removed(environment: str) -> None:
    sys.stdout.write(f"'{environment}' runs nothing any more; `ecluse history {environment}` keeps what was\n")


def _agree(environment: str, release: str, *, yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            f"removing '{environment}' was not confirmed", hint="call it with --yes where nobody can answer"
        )
    if not yes:
        click.confirm(
            f"Stop and remove what runs in '{environment}' ({release.removeprefix('sha256:')[:12]})?",
            abort=True,
        )


def _told(line: str) -> None:
    sys.stderr.write(f"· {line}\n")


env.add_command(list_environments)
env.add_command(show_environment)
env.add_command(diff)
env.add_command(drift)
env.add_command(history)
