"""`ecluse user` and `ecluse grant`: who uses the server of this machine, and what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import application, json_option, show, show_json
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import line
from pipeline.cli.secret_input import asked_secret

if TYPE_CHECKING:  # for its time, not for a circle
    from collections.abc import Sequence

    from pipeline.model.account import Grant, User

ROLES = ("viewer", "developer", "release-manager", "operator", "admin")


@click.group()
def user() -> None:
    """Look after the people of this machine's server."""


@user.command()
@click.argument("login")
@click.option("--name", default="", metavar="TEXT", help="What people call them.")
@click.option("--email", default="", metavar="ADDRESS")
@click.option("--no-password", is_flag=True, help="A robot that has only tokens, or somebody who signs in elsewhere.")
@json_option
def add(login: str, name: str, email: str, no_password: bool, as_json: bool) -> None:
    """Add LOGIN. The password is asked for, or read from standard input."""
    from pipeline.operations.access.machine import noted
    from pipeline.operations.access.people import add_user, login_of

    app = application()
    login = login_of(login)
    password = "" if no_password else asked_secret(f"Password for {login}", again=True)
    made = add_user(app.accounts, login, name=name, email=email, password=password, now=app.clock.now())
    noted(app, "user.add", made.login)
    _show_user(made, as_json=as_json, words="is added")


@user.command(name="list")
@json_option
def list_users(as_json: bool) -> None:
    """List everybody, with what they may do."""
    app = application()
    users, grants = app.accounts.users(), app.accounts.grants()
    if as_json:
        show_json([{**_user_facts(item), "grants": _of(item, grants)} for item in users])
        return
    for item in users:
        roles = ", ".join(_words(grant) for grant in grants if grant.login == item.login) or "nothing granted"
        off = (" disabled", "failed") if item.disabled else ""
        show([line((item.login, "bold"), f" {one_line(item.name)}", off, (f"  {one_line(roles)}", "dim"))])
    if not users:
        show([line("nobody uses this server yet: `ecluse serve` prints a link for the first admin")])


@user.command()
@click.argument("login")
@click.option("--lift", is_flag=True, help="Let them in again.")
@json_option
def disable(login: str, lift: bool, as_json: bool) -> None:
    """Let nothing of LOGIN count any more: sessions end, tokens are refused."""
    from pipeline.operations.access.machine import noted
    from pipeline.operations.access.people import disable as shut_out

    app = application()
    changed = shut_out(app.accounts, login, disabled=not lift)
    noted(app, "user.enable" if lift else "user.disable", changed.login)
    _show_user(changed, as_json=as_json, words="may come in again" if lift else "is disabled")


@user.command()
@click.argument("login")
@json_option
def password(login: str, as_json: bool) -> None:
    """Give LOGIN a new password, asked for or read from standard input; their sessions end."""
    from pipeline.operations.access.machine import noted
    from pipeline.operations.access.people import login_of, set_password

    app = application()
    login = app.accounts.find_user(login_of(login)).login
    changed = set_password(app.accounts, login, asked_secret(f"New password for {login}", again=True))
    noted(app, "user.password", changed.login)
    _show_user(changed, as_json=as_json, words="has a new password")


@click.group()
def grant() -> None:
    """Give people of this machine's server roles, and take them."""


@grant.command(name="add")
@click.argument("login")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--repository", "-r", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@click.option("--environment", "-e", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@json_option
def add_grant(login: str, role: str, repository: str, environment: str, as_json: bool) -> None:
    """Give LOGIN a ROLE: viewer, developer, release-manager, operator or admin; each may what those before it may."""
    from pipeline.operations.access.granting import give, role_of
    from pipeline.operations.access.machine import machines_user, new_id, noted

    app = application()
    made = give(
        app.accounts,
        login,
        role_of(role),
        id=new_id(app),
        repository=repository,
        environment=environment,
        now=app.clock.now(),
        by=machines_user(),
    )
    noted(app, "grant.add", made.login, _words(made))
    if as_json:
        show_json(made)
    else:
        show([line((made.login, "bold"), f" is {_words(made)}", (f"  grant {made.id}", "dim"))])


@grant.command(name="list")
@click.option("--login", default="", help="Only theirs.")
@json_option
def list_grants(login: str, as_json: bool) -> None:
    """List who may do what."""
    grants = application().accounts.grants(login=login.lower())
    if as_json:
        show_json(grants)
        return
    show([line((item.login, "bold"), f" {_words(item)}", (f"  grant {item.id}", "dim")) for item in grants])


@grant.command(name="remove")
@click.argument("grant_id", metavar="GRANT")
@json_option
def remove_grant(grant_id: str, as_json: bool) -> None:
    """Take a role back, by the id that `ecluse grant list` shows; it counts no more from the next request on."""
    from pipeline.operations.access.machine import noted

    app = application()
    app.accounts.remove_grant(grant_id)
    noted(app, "grant.remove", grant_id)
    if as_json:
        show_json({"removed": grant_id})
    else:
        show([line("removed")])


def _of(user: User, grants: Sequence[Grant]) -> list[Grant]:
    return [grant for grant in grants if grant.login == user.login]


def _words(grant: Grant) -> str:
    where = [] if grant.repository == "*" else [f"in {grant.repository}"]
    where += [] if grant.environment == "*" else [f"for environment {grant.environment}"]
    return " ".join([grant.role.value, *where])


def _user_facts(user: User) -> dict[str, object]:
    """All but the password's hash."""
    return {
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "password": bool(user.password),
        "issuer": user.issuer,
        "disabled": user.disabled,
        "created": user.created,
    }


def _show_user(user: User, *, as_json: bool, words: str) -> None:
    if as_json:
        show_json(_user_facts(user))
    else:
        show([line((user.login, "bold"), f" {words}")])
