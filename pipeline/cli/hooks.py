"""`ecluse hook`: webhooks that came in, and the script that sends them from a bare repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.asked import server_option
from pipeline.cli.complete import complete_delivery, complete_repository
from pipeline.cli.kept_by import registered_of
from pipeline.cli.options import application, json_option, output, show, show_json
from pipeline.errors import UsageError


@click.group()
def hook() -> None:
    """Look at webhooks that came in, and let a bare repository send them."""


@hook.command()
@click.argument("folder", metavar="PATH", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", metavar="OWNER/NAME", shell_complete=complete_repository, help="Which repository it is here.")
@click.option("--hook-url", metavar="URL", help="On another machine: the webhook's address, with --secret-file.")
@click.option("--secret-file", type=click.File("rb"), help="On another machine: its secret; - for standard input.")
@json_option
def install(folder: Path, name: str | None, hook_url: str | None, secret_file: Any, as_json: bool) -> None:
    """Put a `post-receive` script into the bare repository at PATH: the server is told of every push.

    The script needs sh, curl and openssl. It reads the secret from a file beside it that only its owner may read,
    keeps no push waiting for more than a few seconds, and says what happened. On the server's own machine --name is
    enough.
    """
    from pipeline.operations.hook_install import install_hook, install_hook_elsewhere

    if hook_url and secret_file:
        secret = secret_file.read(10_000).decode("ascii", "replace").strip()
        script = install_hook_elsewhere(folder, hook_url=hook_url, secret=secret)
    elif name and not hook_url and not secret_file:
        script = install_hook(application(), folder, name)
    else:
        raise UsageError(
            "which repository is it?", hint="add --name OWNER/NAME, or --hook-url URL and --secret-file FILE elsewhere"
        )
    if as_json:
        show_json({"script": str(script)})
    else:
        sys.stdout.write(f"{script} tells the server of every push from now on\n")


@hook.command("list")
@click.argument("name", metavar="[OWNER/NAME]", required=False, default="", shell_complete=complete_repository)
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=20, metavar="N", help="At most so many.")
@server_option
@json_option
def list_(name: str, limit: int, server: str | None, as_json: bool) -> None:
    """List webhooks that came in, newest first, and what came of each."""
    from pipeline.cli.render.events import now
    from pipeline.cli.render.repositories import delivery_lines

    found = registered_of(server).deliveries(repository=name, limit=limit)
    if as_json:
        show_json(found)
    else:
        show(delivery_lines(found, now=now(), width=output().width))


@hook.command()
@click.argument("delivery", metavar="DELIVERY", shell_complete=complete_delivery)
@server_option
@json_option
def redeliver(delivery: str, server: str | None, as_json: bool) -> None:
    """Look at a webhook once more, as if it had just come in."""
    made = registered_of(server).redeliver(delivery)
    if as_json:
        show_json(made)
    else:
        sys.stdout.write(f"delivery {made.id} of {made.repository} is looked at next\n")
