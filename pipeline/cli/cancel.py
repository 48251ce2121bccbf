"""`ecluse cancel`: stop a run that another process runs."""

from __future__ import annotations

import getpass
import sys
import time
from pathlib import Path

import click

from pipeline.cli.options import application, output, repository_option, run_argument
from pipeline.model.status import RunState


@click.command()
@run_argument
@repository_option
@click.option("--wait", is_flag=True, help="Wait until the run has ended.")
def cancel(reference: str, repository: Path, wait: bool) -> None:
    """Stop the run RUN tidily, as its own Ctrl-C would. One that was interrupted, or is parked, is ended."""
    from pipeline.operations.cancel import cancel as stop
    from pipeline.operations.place import repository_of

    app = application()
    run = app.records.find_run(reference, repository=repository_of(repository))
    name = f"run {run.number or run.id}"
    ending = stop(app, run, by=getpass.getuser())
    if ending is None:
        before = "was parked" if run.state is RunState.PARKED else "had no process any more"
        sys.stdout.write(f"{name} {before}; it is cancelled now, and what it left is removed\n")
        return
    try:
        if not wait:
            sys.stdout.write(f"{name} was asked to stop; see: ecluse show {run.number or run.id}\n")
            return
        begun = time.monotonic()
        live = output().live
        while not ending.wait(1.0 if live else 10.0):
            text = f"{name} is stopping, {time.monotonic() - begun:.0f}s"
            sys.stdout.write(f"\r\x1b[2K{text}" if live else f"{text}\n")
            sys.stdout.flush()
        sys.stdout.write(("\r\x1b[2K" if live else "") + f"{name} has ended\n")
    finally:
        ending.close()
