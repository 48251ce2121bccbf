"""`ecluse serve`: the server of a team."""

from __future__ import annotations

import click

from pipeline.cli.options import application
from pipeline.errors import UsageError


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where to answer; by default what the settings say.")
def serve(listen: str | None) -> int:
    """Serve the pages, the API and the webhooks, and make the runs that are asked for."""
    try:
        import uvicorn

        from pipeline.web.app import build
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the server needs the package '{error.name}'", hint="install it with: pip install 'ecluse[server]'"
        ) from error
    app = application()
    host, _, port = (listen or app.settings.listen).rpartition(":")
    if not port.isdecimal():
        raise UsageError(f"'{listen or app.settings.listen}' is no HOST:PORT", hint="write 127.0.0.1:8380")
    uvicorn.run(build(app), host=host or "127.0.0.1", port=int(port), log_level="warning")
    return 0
