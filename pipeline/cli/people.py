"""`ecluse user` and `ecluse grant`: who uses a server, and what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import server_option
from pipeline.cli.kept_by import people_of
from pipeline.cli.options import json_option, show, show_json
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import line
from pipeline.cli.secret_input import asked_secret

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.account import Grant
    from pipeline.operations.access.shown import Person

ROLES = ("viewer", "developer", "release-manager", "operator", "admin")


@click.group()
def user() -> None:
    """Look after the people of this machine's server, or of another one (--server)."""


@user.command()
@click.argument("login")
@click.option("--name", default="", metavar="TEXT", help="What people call them.")
@click.option("--email", default="", metavar="ADDRESS")
@click.option("--no-password", is_flag=True, help="A robot that has only tokens, or somebody who signs in elsewhere.")
@server_option
@json_option
def add(login: str, name: str, email: str, no_password: bool, server: str | None, as_json: bool) -> None:
    """Add LOGIN. The password is asked for, or read from standard input."""
    from pipeline.operations.access.people import login_of

    people, login = people_of(server), login_of(login)
    password = "" if no_password else asked_secret(f"Password for {login}", again=True)
    made = people.add_person(login, name=name, email=email, password=password)
    _show_person(made, as_json=as_json, words="is added")


@user.command(name="list")
@server_option
@json_option
def list_users(server: str | None, as_json: bool) -> None:
    """List everybody, with what they may do."""
    found = people_of(server).people()
    if as_json:
        show_json(found)
        return
    for item in found:
        roles = ", ".join(_words(grant) for grant in item.grants) or "nothing granted"
        off = (" disabled", "failed") if item.disabled else ""
        show([line((item.login, "bold"), f" {one_line(item.name)}", off, (f"  {one_line(roles)}", "dim"))])
    if not found:
        show([line("nobody uses this server yet: `ecluse serve` prints a link for the first admin")])


@user.command()
@click.argument("login")
@click.option("--lift", is_flag=True, help="Let them in again.")
@server_option
@json_option
def disable(login: str, lift: bool, server: str | None, as_json: bool) -> None:
    """Let nothing of LOGIN count any more: sessions end, tokens are refused."""
    changed = people_of(server).disable(login, disabled=not lift)
    _show_person(changed, as_json=as_json, words="may come in again" if lift else "is disabled")


@user.command()
@click.argument("login")
@server_option
@json_option
def password(login: str, server: str | None, as_json: bool) -> None:
    """Give LOGIN a new password, asked for or read from standard input; their sessions end."""
    people = people_of(server)
    login = people.person(login).login
    changed = people.set_password(login, asked_secret(f"New password for {login}", again=True))
    _show_person(changed, as_json=as_json, words="has a new password")


@click.group()
def grant() -> None:
    """Give people of a server roles, and take them."""


@grant.command(name="add")
@click.argument("login")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--repository", "-r", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@click.option("--environment", "-e", default="*", show_default=True, metavar="GLOB", help="Where it counts.")
@server_option
@json_option
def add_grant(login: str, role: str, repository: str, environment: str, server: str | None, as_json: bool) -> None:
    """Give LOGIN a ROLE: viewer, developer, release-manager, operator or admin; each may what those before it may."""
    from pipeline.operations.access.granting import role_of

    made = people_of(server).grant(login, role_of(role), repository=repository, environment=environment)
    if as_json:
        show_json(made)
    else:
        show([line((made.login, "bold"), f" is {_words(made)}", (f"  grant {made.id}", "dim"))])


@grant.command(name="list")
@click.option("--login", default="", help="Only theirs.")
@server_option
@json_option
def list_grants(login: str, server: str | None, as_json: bool) -> None:
    """List who may do what."""
    grants = people_of(server).grants(login=login)
    if as_json:
        show_json(grants)
        return
    show([line((item.login, "bold"), f" {_words(item)}", (f"  grant {item.id}", "dim")) for item in grants])


@grant.command(name="remove")
@click.argument("grant_id", metavar="GRANT")
@server_option
@json_option
def remove_grant(grant_id: str, server: str | None, as_json: bool) -> None:
    """Take a role back, by the id that `ecluse grant list` shows; it counts no more from the next request on."""
    people_of(server).remove_grant(grant_id)
    if as_json:
        show_json({"removed": grant_id})
    else:
        show([line("removed")])


def _words(grant: Grant) -> str:
    where = [] if grant.repository == "*" else [f"in {grant.repository}"]
    where += [] if grant.environment == "*" else [f"for environment {grant.environment}"]
    return " ".join([grant.role.value, *where])


def _show_person(person: Person, *, as_json: bool, words: str) -> None:
    if as_json:
        show_json(person)
    else:
        show([line((person.login, "bold"), f" {words}")])
