"""`ecluse secret`: what this machine's server keeps for repositories and environments, written and never shown."""

from __future__ import annotations

import click

from pipeline.cli.options import application, json_option, show, show_json
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import line
from pipeline.cli.secret_input import asked_secret


@click.group()
def secret() -> None:
    """Look after the secrets that this machine's server keeps."""


@secret.command(name="set")
@click.argument("name")
@click.option("--repository", "-r", required=True, metavar="OWNER/NAME", help="Whose runs may have it.")
@click.option("--environment", "-e", default="", metavar="ENV", help="Only for what they do in this environment.")
@json_option
def set_secret(name: str, repository: str, environment: str, as_json: bool) -> None:
    """Keep the secret NAME; its value is asked for, or read from standard input."""
    from pipeline.operations.access.keeping import keep_secret, scope_of
    from pipeline.operations.access.machine import machines_user, noted

    app = application()
    scope = scope_of(app, repository, environment)
    note = keep_secret(app, scope, name, asked_secret(f"Value of {name}"), by=machines_user())
    noted(app, "secret.set", f"{scope}:{name}", f"version {note.version}")
    if as_json:
        show_json(note)
    else:
        show([line((name, "bold"), f" is kept for {scope}, version {note.version}")])


@secret.command(name="list")
@click.option("--repository", "-r", default="", metavar="OWNER/NAME", help="Only of this one.")
@json_option
def list_secrets(repository: str, as_json: bool) -> None:
    """List names of secrets, with who set them and when; never a value."""
    from pipeline.ports.vault import environment_scope, repository_scope

    notes = application().vault.notes()
    if repository:
        beginning = environment_scope(repository, "")
        notes = [
            note for note in notes if note.scope == repository_scope(repository) or note.scope.startswith(beginning)
        ]
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
@json_option
def remove(name: str, repository: str, environment: str, as_json: bool) -> None:
    """Forget the secret NAME."""
    from pipeline.operations.access.keeping import scope_of
    from pipeline.operations.access.machine import noted

    app = application()
    scope = scope_of(app, repository, environment)
    app.vault.remove(scope, name)
    noted(app, "secret.remove", f"{scope}:{name}")
    if as_json:
        show_json({"removed": name, "scope": scope})
    else:
        show([line("removed")])
