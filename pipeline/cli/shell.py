"""`ecluse shell`: look into the container of a stage that failed."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click

from pipeline.cli.complete import complete_stage
from pipeline.cli.options import application, repository_option, run_argument


@click.command(context_settings={"ignore_unknown_options": True})
@run_argument
@click.argument("stage", shell_complete=complete_stage)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND [ARG]...]")
@repository_option
@click.option("--secrets", is_flag=True, help="Give it the stage's secrets; without it they are not there.")
def shell(reference: str, stage: str, command: tuple[str, ...], repository: Path, secrets: bool) -> int:
    """Open a shell in the container of STAGE of RUN as it was left: files, environment, user, network, services.

    The stage must have been kept: `ecluse run --keep-failed`, the setting keep_failed, or
    `ecluse retry RUN STAGE --keep-failed`. With a COMMAND behind `--` that runs instead, and its exit code is ours.
    """
    from pipeline.cli.console import ProcessConsole
    from pipeline.operations.place import repository_of
    from pipeline.operations.shell import ShellRequest
    from pipeline.operations.shell import shell as look

    request = ShellRequest(
        repository=repository_of(repository), reference=reference, stage=stage, command=command, secrets=secrets
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    return look(application(), request, ProcessConsole())


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
    """As Ctrl-C: the copy of the container goes before we do."""
    raise KeyboardInterrupt
