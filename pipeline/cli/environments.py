"""`ecluse env`: what concerns one environment as a whole."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from pipeline.cli.complete import complete_environment
from pipeline.cli.environment_pages import list_environments, show_environment
from pipeline.cli.environment_views import diff, drift
from pipeline.cli.history import history
from pipeline.cli.options import application, file_option, json_option, repository_option
from pipeline.cli.promoting import carry_out, promotion_options
from pipeline.errors import UsageError


@click.group()
def env() -> None:
    """Look after environments."""


@env.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@promotion_options
@repository_option
@file_option
@json_option
def restore(
    environment: str,
    only_plan: bool,
    yes: bool,
    reason: str,
    timeout: float,
    repository: Path,
    file: str,
    as_json: bool,
) -> int:
    """Put back in ENV what the ledger says is live there, with its configuration, where something else runs."""
    from pipeline.operations.promotion_order import again
    from pipeline.operations.surroundings import surroundings

    app = application()
    place = surroundings(app, repository, file=file)
    order = again(app, place, environment=environment, reason=reason)
    return carry_out(app, place, order, only_plan=only_plan, yes=yes, timeout=timeout, as_json=as_json)


@env.command()
@click.argument("environment", metavar="ENV")
@repository_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="no longer needed", show_default=True, help="What the ledger will say.")
def remove(environment: str, repository: Path, yes: bool, reason: str) -> None:
    """Take away everything that runs for ENV. Its history stays, with a line that says who did this."""
    from pipeline.operations.environments import live_promotion, remove_environment
    from pipeline.operations.place import repository_of

    app = application()
    promotion = live_promotion(app, repository=repository_of(repository), environment=environment)
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            f"removing '{environment}' was not confirmed", hint="call it with --yes where nobody can answer"
        )
    if not yes:
        click.confirm(
            f"Stop and remove what runs in '{environment}' ({promotion.release.removeprefix('sha256:')[:12]})?",
            abort=True,
        )
    remove_environment(app, promotion, actor=getpass.getuser(), reason=reason, progress=_told)
    sys.stdout.write(f"'{environment}' runs nothing any more; `ecluse history {environment}` keeps what was\n")


def _told(line: str) -> None:
    sys.stderr.write(f"· {line}\n")


env.add_command(list_environments)
env.add_command(show_environment)
env.add_command(diff)
env.add_command(drift)
env.add_command(history)
