"""`ecluse token`: keys for programs, of people of this machine's server."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from pipeline.cli.options import application, json_option, show, show_json
from pipeline.cli.people import ROLES
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import line
from pipeline.cli.until import until_option
from pipeline.model.account import Token

_DAYS = 90


@click.group()
def token() -> None:
    """Look after the tokens of this machine's server."""


@token.command()
@click.argument("login")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="It can at most this.")
@click.option("--repository", "-r", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@click.option("--environment", "-e", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@until_option(required=False)
@click.option("--forever", is_flag=True, help=f"It does not run out; without this and --until, after {_DAYS} days.")
@json_option
def create(
    login: str,
    name: str,
    role: str,
    repository: str,
    environment: str,
    until: datetime | None,
    forever: bool,
    as_json: bool,
) -> None:
    """Make a token NAME of LOGIN, and show its secret this once. It never can more than LOGIN can."""
    from pipeline.operations.access.granting import pattern_of, role_of
    from pipeline.operations.access.machine import new_id, noted
    from pipeline.operations.access.tokens import make_token

    app = application()
    now = app.clock.now()
    made = make_token(
        app.accounts,
        login,
        id=new_id(app),
        name=name,
        role=role_of(role),
        repository=pattern_of(repository, what="repository"),
        environment=pattern_of(environment, what="environment"),
        now=now,
        expires=None if forever else until or now + timedelta(days=_DAYS),
    )
    noted(app, "token.create", made.token.id, f"{made.token.name}, of {made.token.login}")
    if as_json:
        show_json({**_facts(made.token), "secret": made.secret})
        return
    show([line(made.secret), line(("this is shown once: keep it where only its program can read it", "dim"))])


@token.command(name="list")
@click.option("--login", default="", help="Only theirs.")
@json_option
def list_tokens(login: str, as_json: bool) -> None:
    """List tokens, newest first, those that count no more too."""
    app = application()
    tokens = app.accounts.tokens(login=login.lower())
    if as_json:
        show_json([_facts(item) for item in tokens])
        return
    now = app.clock.now()
    for item in tokens:
        state = ("revoked", "failed") if item.revoked else ("", "") if item.valid(now) else ("run out", "warned")
        used = f", used {item.used:%Y-%m-%d %H:%M}" if item.used else ", never used"
        words = f" {one_line(item.name)}: {item.role.value}{used} "
        show([line((item.login, "bold"), words, state, (f"  token {item.id}", "dim"))])


@token.command()
@click.argument("token_id", metavar="TOKEN")
@json_option
def revoke(token_id: str, as_json: bool) -> None:
    """Let a token count no more, by the id that `ecluse token list` shows."""
    from pipeline.operations.access.machine import noted
    from pipeline.operations.access.tokens import revoke_token

    app = application()
    gone = revoke_token(app.accounts, token_id, now=app.clock.now())
    noted(app, "token.revoke", gone.id, f"{gone.name}, of {gone.login}")
    if as_json:
        show_json(_facts(gone))
    else:
        show([line("revoked")])


def _facts(token: Token) -> dict[str, object]:
    """All but the digest."""
    names = ("id", "login", "name", "role", "repository", "environment", "created", "expires", "used", "revoked")
    return {name: getattr(token, name) for name in names}
