"""Whom a command asks: the records of this machine, or a server."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from pipeline.cli.complete import complete_server
from pipeline.errors import UsageError
from pipeline.remote.kept import path_of

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.remote.here import Here
    from pipeline.remote.servers import KnownServer
    from pipeline.remote.there import There

    Asked: TypeAlias = Here | There

Command = TypeVar("Command", bound=Callable[..., Any])
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")


class Checkout(click.Path):
    """A folder, or (for a server) the name of one of its repositories."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A folder that is not there may still be a name."""
        if isinstance(value, str) and _NAME.fullmatch(value) and not Path(value).is_dir():
            return value
        return super().convert(value, param, ctx)


def server_option(command: Command) -> Command:
    """`--server SERVER`."""
    return click.option(
        "--server",
        metavar="SERVER",
        default=None,
        shell_complete=complete_server,
        help="Ask this server (a name of `ecluse login`, or a URL); `here` is this machine.",
    )(command)


def asked_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--repository` and `--server`; the command gets `asked`, who answers it."""

    @functools.wraps(command)
    def with_asked(*arguments: Any, repository: Path | str, server: str | None, **more: Any) -> Any:
        return command(*arguments, asked=asked_of(repository, server), **more)

    return server_option(place_option(with_asked))


def place_option(command: Command) -> Command:
    """`--repository`: a folder, or the name of one of a server's repositories."""
    return click.option(
        "--repository",
        "-C",
        type=Checkout(exists=True, file_okay=False, path_type=Path),
        default=Path(),
        callback=lambda ctx, parameter, path: path.absolute() if isinstance(path, Path) else path,  # noqa: ARG005
        metavar="PATH",
        help="The git repository, by default the one around the working directory; of a server also its OWNER/NAME.",
    )(command)


def server_of(word: str | None) -> KnownServer | None:
    """The server that is asked; None = this machine is."""
    if not word and not os.environ.get("ECLUSE_SERVER") and not path_of(os.environ).exists():
        return None
    from pipeline.remote.servers import chosen

    return chosen(word, os.environ)


def asked_of(repository: Path | str, server: str | None) -> Asked:
    """Who answers."""
    known = server_of(server)
    if known is not None:
        from pipeline.remote.there import There

        return There(known, repository)
    from pipeline.cli.options import application
    from pipeline.remote.here import Here

    return Here(application(), folder_of(repository))


def folder_of(repository: Path | str) -> Path:
    """The folder that was named. UsageError where it is the name of a server's repository."""
    if isinstance(repository, Path):
        return repository
    raise UsageError(
        f"there is no folder '{repository}'", hint="a server's repository is named so together with --server"
    )


def here_only(asked: Asked, what: str) -> Here:
    """For what a server cannot be asked. UsageError where it is."""
    from pipeline.remote.here import Here

    if isinstance(asked, Here):
        return asked
    raise UsageError(f"{what}: a server cannot be asked for this", hint="leave it away, or ask `--server here`")
