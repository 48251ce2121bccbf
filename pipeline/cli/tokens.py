"""`ecluse token`: keys for programs, of people of a server."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from pipeline.cli.asked import server_option
from pipeline.cli.kept_by import people_of
from pipeline.cli.options import json_option, show, show_json
from pipeline.cli.people import ROLES
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.events import now
from pipeline.cli.render.lines import line
from pipeline.cli.until import until_option

_DAYS = 90


@click.group()
def token() -> None:
    """Look after the tokens of this machine's server, or of another one (--server)."""


@token.command()
@click.argument("login")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="It can at most this.")
@click.option("--repository", "-r", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@click.option("--environment", "-e", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@until_option(required=False)
@click.option("--forever", is_flag=True, help=f"It does not run out; without this and --until, after {_DAYS} days.")
@server_option
@json_option
def create(
    login: str,
    name: str,
    role: str,
    repository: str,
    environment: str,
    until: datetime | None,
    forever: bool,
    server: str | None,
    as_json: bool,
) -> None:
    """Make a token NAME of LOGIN, and show its secret this once. It never can more than LOGIN can."""
    from pipeline.operations.access.granting import role_of

    made = people_of(server).make_token(
        login,
        name,
        role_of(role),
        repository=repository,
        environment=environment,
        expires=None if forever else until or now() + timedelta(days=_DAYS),
    )
    if as_json:
        show_json(made)
        return
    show([line(made.secret), line(("this is shown once: keep it where only its program can read it", "dim"))])


@token.command(name="list")
@click.option("--login", default="", help="Only theirs.")
@server_option
@json_option
def list_tokens(login: str, server: str | None, as_json: bool) -> None:
    """List tokens, newest first, those that count no more too."""
    found = people_of(server).tokens(login=login)
    if as_json:
        show_json(found)
        return
    here = now()
    for item in found:
        over = item.expires is not None and here >= item.expires
        state = ("revoked", "failed") if item.revoked else ("run out", "warned") if over else ("", "")
        used = f", used {item.used:%Y-%m-%d %H:%M}" if item.used else ", never used"
        words = f" {one_line(item.name)}: {item.role.value}{used} "
        show([line((item.login, "bold"), words, state, (f"  token {item.id}", "dim"))])


@token.command()
@click.argument("token_id", metavar="TOKEN")
@server_option
@json_option
def revoke(token_id: str, server: str | None, as_json: bool) -> None:
    """Let a token count no more, by the id that `ecluse token list` shows."""
    gone = people_of(server).revoke_token(token_id)
    if as_json:
        show_json(gone)
    else:
        show([line("revoked")])
