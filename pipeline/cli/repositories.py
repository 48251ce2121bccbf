"""`ecluse repository`: the repositories that a server looks after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.complete import complete_repository
from pipeline.cli.options import application, json_option, show, show_json
from pipeline.errors import UsageError

if TYPE_CHECKING:  # for its time, not for a circle
    from collections.abc import Callable

    from pipeline.operations.registering import Change, RepositoryFacts

_KINDS = ["github", "gitlab", "gitea", "bitbucket", "plain"]
_EXAMPLES = """\b
ecluse repository add shop/web --url https://github.com/shop/web.git
ecluse repository add shop/api --url https://git.example.org/shop/api.git --forge gitea --token-file token
ecluse repository add shop/db --url /srv/git/db.git"""


@click.group()
def repository() -> None:
    """Look after the repositories of a server."""


def _name(command: Any) -> Any:
    return click.argument("name", metavar="OWNER/NAME", shell_complete=complete_repository)(command)


def _properties(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--url", metavar="URL", help="Where it is cloned from, without a login."),
        click.option("--forge", type=click.Choice(_KINDS), help="Its kind of forge; gitea is Forgejo too."),
        click.option("--api", metavar="URL", help="Base URL of the forge's API; by default what follows from URL."),
        click.option("--branch", metavar="NAME", help="Its default branch; by default main."),
        click.option("--file", metavar="PATH", help="The pipeline file; by default pipeline.yml."),
        click.option(
            "--forks/--no-forks",
            default=None,
            help="Whether pull requests of forks run without a person's word; without secrets in any case.",
        ),
        click.option("--token-file", type=click.File("rb"), help="The forge's token for statuses; - for input."),
        click.option("--secret-file", type=click.File("rb"), help="The webhook's secret; one is made otherwise."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@repository.command(epilog=_EXAMPLES)
@_name
@_properties
@json_option
def add(name: str, token_file: Any, secret_file: Any, as_json: bool, **properties: Any) -> None:
    """Look after a repository: its webhooks start runs from now on.

    Prints the webhook's address and secret, this once; set both in the forge (JSON, events: pushes, tags and pull
    requests), or let `ecluse hook install` put a script into a bare repository.
    """
    from pipeline.operations.access.machine import machines_user, noted
    from pipeline.operations.registering import add_repository

    if not properties["url"]:
        raise UsageError("the repository's address is missing", hint="add --url URL")
    app, by = application(), machines_user()
    secret, token = _word(secret_file), _word(token_file)
    facts, shown = add_repository(app, name, _change(properties), by=by, secret=secret, token=token)
    noted(app, "repository.add", name, facts.repository.url)
    _show_secret(facts, shown, as_json=as_json)


@repository.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the repositories that the server looks after."""
    found = application().intake.repositories()
    if as_json:
        show_json(found)
        return
    from pipeline.cli.render.repositories import repository_lines

    show(repository_lines(found))


@repository.command("show")
@_name
@json_option
def show_(name: str, as_json: bool) -> None:
    """Show a repository: its webhook, and what its forge was told or could not be told."""
    from pipeline.operations.registering import facts_of

    app = application()
    facts = facts_of(app, name)
    messages = app.outbox.messages(repository=name, limit=5)
    if as_json:
        show_json({**_fields(facts), "messages": messages})
        return
    from pipeline.cli.render.repositories import facts_lines

    show(facts_lines(facts, messages))


@repository.command("set")
@_name
@_properties
@click.option("--active/--inactive", default=None, help="Whether its events start runs.")
@click.option("--new-secret", is_flag=True, help="Make a new secret for its webhook, and print it this once.")
@json_option
def set_(name: str, token_file: Any, secret_file: Any, new_secret: bool, as_json: bool, **properties: Any) -> None:
    """Change what the server knows of a repository."""
    from pipeline.cli.render.repositories import facts_lines
    from pipeline.operations.access.machine import machines_user, noted
    from pipeline.operations.registering import change_repository, set_secret, set_token

    app, by = application(), machines_user()
    secret, token = _word(secret_file), _word(token_file)
    facts = change_repository(app, name, _change(properties))
    noted(app, "repository.change", name)
    if token is not None:
        set_token(app, name, token, by=by)
        noted(app, "repository.token", name)
    if new_secret or secret is not None:
        made = set_secret(app, name, secret, by=by)
        noted(app, "repository.secret", name)
        _show_secret(facts, made, as_json=as_json)
    elif as_json:
        show_json(_fields(facts))
    else:
        show(facts_lines(facts, ()))


@repository.command()
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Look after a repository no longer. Its secrets go; its runs, releases and history stay."""
    from pipeline.operations.access.machine import noted
    from pipeline.operations.registering import remove_repository

    app = application()
    app.intake.find_repository(name)
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"removing '{name}' was not confirmed", hint="call it with --yes where nobody can answer")
    if not yes:
        click.confirm(f"Look after '{name}' no longer, and forget its secrets?", abort=True, err=True)
    remove_repository(app, name)
    noted(app, "repository.remove", name)
    if as_json:
        show_json({"removed": name})
    else:
        sys.stdout.write(f"'{name}' is looked after no longer; its runs and releases stay\n")


def _change(properties: dict[str, Any]) -> Change:
    from pipeline.model.repository import ForgeKind
    from pipeline.operations.registering import Change

    forge = properties["forge"]
    return Change(
        url=properties["url"],
        forge=ForgeKind(forge) if forge else None,
        api=properties["api"],
        default_branch=properties["branch"],
        file=properties["file"],
        active=properties.get("active"),
        forks=properties["forks"],
    )


def _word(file: Any) -> bytes | None:
    """The first line of a file that holds a secret."""
    if file is None:
        return None
    words: bytes = file.read(10_000)
    return words.strip()


def _fields(facts: RepositoryFacts) -> dict[str, object]:
    from pipeline.model.value import to_value

    value = to_value(facts)
    return dict(value) if isinstance(value, dict) else {}


def _show_secret(facts: RepositoryFacts, secret: str, *, as_json: bool) -> None:
    if as_json:
        show_json({**_fields(facts), "secret_value": secret})
        return
    from pipeline.cli.render.repositories import secret_lines

    show(secret_lines(facts, secret))
