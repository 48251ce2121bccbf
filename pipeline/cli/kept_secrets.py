"""`ecluse secret`: what a server keeps for repositories and environments, written and never shown."""

from __future__ import annotations

import click

from pipeline.cli.asked import server_option
from pipeline.cli.kept_by import registered_of
from pipeline.cli.options import json_option, show, show_json
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import line
from pipeline.cli.secret_input import asked_secret


@click.group()
def secret() -> None:
    """Look after the secrets that this machine's server keeps, or another one (--server)."""


@secret.command(name="set")
@click.argument("name")
@click.option("--repository", "-r", required=True, metavar="OWNER/NAME", help="Whose runs may have it.")
@click.option("--environment", "-e", default="", metavar="ENV", help="Only for what they do in this environment.")
@server_option
@json_option
def set_secret(name: str, repository: str, environment: str, server: str | None, as_json: bool) -> None:
    """Keep the secret NAME; its value is asked for, or read from standard input."""
    kept = registered_of(server)
    note = kept.set_secret(repository, environment, name, asked_secret(f"Value of {name}"))
    if as_json:
        show_json(note)
    else:
        show([line((name, "bold"), f" is kept for {note.scope}, version {note.version}")])


@secret.command(name="list")
@click.option("--repository", "-r", default="", metavar="OWNER/NAME", help="Only of this one.")
@server_option
@json_option
def list_secrets(repository: str, server: str | None, as_json: bool) -> None:
    """List names of secrets, with who set them and when; never a value."""
    notes = registered_of(server).secrets(repository=repository)
    if as_json:
        show_json(notes)
        return
    for note in notes:
        words = f"version {note.version}, {note.updated:%Y-%m-%d %H:%M} by {one_line(note.updated_by)}"
        show([line((note.name, "bold"), f" {one_line(note.scope)}", (f"  {words}", "dim"))])


@secret.command()
@click.argument("name")
@click.option("--repository", "-r", required=True, metavar="OWNER/NAME")
@click.option("--environment", "-e", default="", metavar="ENV")
@server_option
@json_option
def remove(name: str, repository: str, environment: str, server: str | None, as_json: bool) -> None:
    """Forget the secret NAME."""
    from pipeline.ports.vault import environment_scope, repository_scope

    registered_of(server).remove_secret(repository, environment, name)
    scope = environment_scope(repository, environment) if environment else repository_scope(repository)
    if as_json:
        show_json({"removed": name, "scope": scope})
    else:
        show([line("removed")])
