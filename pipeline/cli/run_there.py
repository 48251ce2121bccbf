"""`ecluse run --server`: a run that a server makes, of what was pushed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.following import follow

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.remote.servers import KnownServer


def run_there(
    server: KnownServer, repository: Path | str, *, ref: str, variables: Mapping[str, str], as_json: bool, plain: bool
) -> int:
    """Ask for it and watch it; its exit status."""
    from pipeline.operations.pushed import pushed
    from pipeline.remote.there import There

    there = There(server, repository)
    if not ref and there.folder is not None:
        here = pushed(there.folder)
        ref = here.ref
        if here.lacks:
            click.echo(f"{there.name} is run as it was pushed; the server has not your {here.lacks}", err=True)
    return follow(there, there.start(ref, variables), as_json=as_json, plain=plain)
