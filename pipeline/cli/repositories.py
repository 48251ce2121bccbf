"""`ecluse repository`: the repositories that a server looks after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.asked import server_option
from pipeline.cli.complete import complete_repository
from pipeline.cli.kept_by import registered_of
from pipeline.cli.options import json_option, show, show_json
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
    """Look after the repositories of this machine's server, or of another one (--server)."""


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
@server_option
@json_option
def add(name: str, token_file: Any, secret_file: Any, server: str | None, as_json: bool, **properties: Any) -> None:
    """Look after a repository: its webhooks start runs from now on.

    Prints the webhook's address and secret, this once; set both in the forge (JSON, events: pushes, tags and pull
    requests), or let `ecluse hook install` put a script into a bare repository.
    """
    if not properties["url"]:
        raise UsageError("the repository's address is missing", hint="add --url URL")
    secret, token = _word(secret_file), _word(token_file)
    facts, shown = registered_of(server).add(name, _change(properties), secret=secret, token=token)
    _show_secret(facts, shown, as_json=as_json)


@repository.command("list")
@server_option
@json_option
def list_(server: str | None, as_json: bool) -> None:
    """List the repositories that the server looks after."""
    found = registered_of(server).repositories()
    if as_json:
        show_json(found)
        return
    from pipeline.cli.render.repositories import repository_lines

    show(repository_lines(found))


@repository.command("show")
@_name
@server_option
@json_option
def show_(name: str, server: str | None, as_json: bool) -> None:
    """Show a repository: its webhook, and what its forge was told or could not be told."""
    kept = registered_of(server)
    facts, messages = kept.facts(name), kept.messages(name, limit=5)
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
@server_option
@json_option
def set_(
    name: str,
    token_file: Any,
    secret_file: Any,
    new_secret: bool,
    server: str | None,
    as_json: bool,
    **properties: Any,
) -> None:
    """Change what the server knows of a repository."""
    from pipeline.cli.render.repositories import facts_lines
    from pipeline.operations.registering import Change

    kept, change = registered_of(server), _change(properties)
    secret, token = _word(secret_file), _word(token_file)
    facts = kept.change(name, change) if change != Change() else kept.facts(name)
    if token is not None:
        kept.set_forge_token(name, token)
    if new_secret or secret is not None:
        _show_secret(facts, kept.set_hook_secret(name, secret), as_json=as_json)
    elif as_json:
        show_json(_fields(facts))
    else:
        show(facts_lines(facts, ()))


@repository.command()
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
@server_option
@json_option
def remove(name: str, yes: bool, server: str | None, as_json: bool) -> None:
    """Look after a repository no longer. Its secrets go; its runs, releases and history stay."""
    kept = registered_of(server)
    kept.facts(name)
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"removing '{name}' was not confirmed", hint="call it with --yes where nobody can answer")
    if not yes:
        click.confirm(f"Look after '{name}' no longer, and forget its secrets?", abort=True, err=True)
    kept.remove(name)
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
