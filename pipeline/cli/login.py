"""`ecluse login`, `logout` and `whoami`: the servers that this person speaks to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import server_option
from pipeline.cli.complete import complete_server
from pipeline.cli.options import json_option, show, show_json
from pipeline.cli.render.lines import Line, line
from pipeline.errors import SignInError, UsageError

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.remote.me import Me, Reach


@click.command()
@click.argument("url", metavar="URL", shell_complete=complete_server)
@click.option("--name", default="", metavar="NAME", help="What --server will call it; by default its host.")
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input; without this it is asked for.")
@click.option("--default", "is_default", is_flag=True, help="Ask it wherever no --server says otherwise.")
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="The certificates (PEM) that vouch for it, where this machine does not know them.",
)
@click.option("--insecure", is_flag=True, help="Speak plain http to another machine: everybody on the way can read it.")
@json_option
def login(
    url: str, name: str, token_stdin: bool, is_default: bool, ca: Path | None, insecure: bool, as_json: bool
) -> None:
    """Sign in to the server at URL with a token, and remember it for --server.

    A token is made on the server's page Settings, or by `ecluse token create` on its machine. It is kept in
    ~/.config/ecluse/servers.json, which only you can read.
    """
    from pipeline.cli.secret_input import asked_secret
    from pipeline.remote.me import who_at
    from pipeline.remote.servers import KnownServer, checked_name, checked_token, checked_url, load, named_by, save

    known = load(os.environ)
    before = known.called(url)
    address = before.url if before is not None else checked_url(url, insecure=insecure)
    if not token_stdin and not sys.stdin.isatty():
        raise UsageError("nobody can type a token here", hint="pipe it in, with --token-stdin")
    server = KnownServer(
        name=checked_name(name or (before.name if before is not None else named_by(address))),
        url=address,
        token=checked_token(asked_secret(f"Token for {address}")),
        ca=str(ca.resolve()) if ca is not None else before.ca if before is not None else "",
        insecure=insecure or (before is not None and before.insecure),
    )
    found = who_at(server)
    path = save(os.environ, known.with_server(server, default=is_default))
    if as_json:
        show_json({"server": server.name, "url": server.url, "me": found})
        return
    show([line(("●", "succeeded"), " signed in to ", (server.url, "bold")), *_about(found)])
    how = "it is asked wherever no --server says otherwise" if is_default else f"ask it with --server {server.name}"
    show([line((f"{how}; the token is in {path}", "dim"))])


@click.command()
@click.argument("server", metavar="SERVER", shell_complete=complete_server)
def logout(server: str) -> None:
    """Forget SERVER and its token, which still counts until somebody revokes it (the page Settings does)."""
    from pipeline.remote.servers import load, save

    known = load(os.environ)
    found = known.called(server)
    if found is None:
        names = ", ".join(known.known)
        raise UsageError(f"there is no server '{server}'", hint=f"known: {names}" if names else "none is known")
    save(os.environ, known.without(found.name))
    sys.stdout.write(f"forgot {found.name} ({found.url}) and its token\n")


@click.command()
@server_option
@json_option
def whoami(server: str | None, as_json: bool) -> None:
    """Show who you are to a server, and what you may do there."""
    from pipeline.cli.asked import server_of
    from pipeline.remote.me import who_at

    known = server_of(server)
    if known is None:
        raise SignInError("no server was named", hint="name one with --server, or sign in: ecluse login URL")
    found = who_at(known)
    if as_json:
        show_json({"server": known.name, "url": known.url, "me": found})
        return
    show([line((known.url, "bold")), *_about(found)])


def _about(found: Me) -> list[Line]:
    from pipeline.cli.render.clean import one_line

    named = f" ({one_line(found.name)})" if found.name and found.name != found.login else ""
    lines = [line("  ", (one_line(found.login), "accent"), named, (f", server {one_line(found.version)}", "dim"))]
    lines += [line(f"  {_reach(item)}") for item in found.roles] or [line("  ", ("no roles yet", "warned"))]
    if found.token and found.limits is not None:
        end = f", until {found.expires:%Y-%m-%d %H:%M}" if found.expires else ""
        lines.append(line((f"  token '{one_line(found.token)}': at most {_reach(found.limits)}{end}", "dim")))
    return lines


def _reach(reach: Reach) -> str:
    from pipeline.cli.render.clean import one_line

    where = "everywhere" if reach.repository == "*" else f"in {one_line(reach.repository)}"
    place = "" if reach.environment == "*" else f" for environment {one_line(reach.environment)}"
    return f"{reach.role.value} {where}{place}"
