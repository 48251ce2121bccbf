"""`ecluse cancel`: stop a run that another process runs."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import output, run_argument
from pipeline.model.status import RunState

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked
    from pipeline.remote.here import Here
    from pipeline.remote.there import There


@click.command()
@run_argument
@asked_option
@click.option("--wait", is_flag=True, help="Wait until the run has ended.")
def cancel(reference: str, asked: Asked, wait: bool) -> None:
    """Stop the run RUN tidily, as its own Ctrl-C would. One that was interrupted, or is parked, is ended."""
    from pipeline.remote.here import Here

    if isinstance(asked, Here):
        _here(asked, reference, wait=wait)
    else:
        _there(asked, reference, wait=wait)


def _here(here: Here, reference: str, *, wait: bool) -> None:
    from pipeline.operations.cancel import cancel as stop

    run = here.run(reference)
    name = f"run {run.number or run.id}"
    ending = stop(here.app, run, by=getpass.getuser())
    if ending is None:
        before = "was parked" if run.state is RunState.PARKED else "had no process any more"
        sys.stdout.write(f"{name} {before}; it is cancelled now, and what it left is removed\n")
        return
    try:
        if wait:
            _wait(name, ending.wait)
        else:
            sys.stdout.write(f"{name} was asked to stop; see: ecluse show {run.number or run.id}\n")
    finally:
        ending.close()


def _there(there: There, reference: str, *, wait: bool) -> None:
    item = there.cancel(reference)
    name = f"run {reference}"
    if not wait:
        sys.stdout.write(f"{name} was asked to stop; see: ecluse show {reference}\n")
        return

    def ended(seconds: float) -> bool:
        if there.has_ended(item):
            return True
        time.sleep(min(seconds, 2.0))
        return False

    _wait(name, ended)


def _wait(name: str, ended: Callable[[float], bool]) -> None:
    """Until it has ended, and say that it is still on its way."""
    begun = time.monotonic()
    live = output().live
    while not ended(1.0 if live else 10.0):
        text = f"{name} is stopping, {time.monotonic() - begun:.0f}s"
        sys.stdout.write(f"\r\x1b[2K{text}" if live else f"{text}\n")
        sys.stdout.flush()
    sys.stdout.write(("\r\x1b[2K" if live else "") + f"{name} has ended\n")
