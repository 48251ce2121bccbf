"""What several commands share: where the repository is, which run is meant, and how JSON is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.complete import complete_run
from pipeline.cli.render.lines import Line, written
from pipeline.cli.render.terminal import Terminal, terminal_of
from pipeline.errors import UsageError

if TYPE_CHECKING:  # for its time, not for a circle
    from datetime import datetime

    from pipeline.ports.application import Application

Command = TypeVar("Command", bound=Callable[..., Any])


def repository_option(command: Command) -> Command:
    """`--repository PATH`, by default the git repository around the working directory."""
    return click.option(
        "--repository",
        "-C",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=Path(),
        callback=lambda ctx, parameter, path: path.absolute(),  # noqa: ARG005  # click's signature
        metavar="PATH",
        help="The git repository; by default the one around the working directory.",
    )(command)


def file_option(command: Command) -> Command:
    """`--file PATH` of the pipeline file, relative to the repository's root."""
    return click.option(
        "--file",
        "-f",
        "file",
        default="pipeline.yml",
        show_default=True,
        callback=_named_file,
        metavar="PATH",
        help="The pipeline file, relative to the repository's root.",
    )(command)


def _named_file(context: click.Context, parameter: click.Parameter, path: str) -> str:
    """A path that names something below or beside a folder; `.` and `/` name none."""
    if not PurePosixPath(path).name:
        raise click.BadParameter(f"'{path}' names no file", ctx=context, param=parameter)
    return path


def json_option(command: Command) -> Command:
    """`--json`: the same facts for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def executor_option(command: Command) -> Command:
    """`--executor NAME`, by default the one of the settings."""
    return click.option(
        "--executor",
        type=click.Choice(["docker", "process", "swarm"]),
        default=None,
        help="Where stages run; by default what the settings say (docker).",
    )(command)


def output() -> Terminal:
    """What standard output can show."""
    return terminal_of(sys.stdout, os.environ)


def show(lines: Iterable[Line]) -> None:
    """Print lines to standard output."""
    sys.stdout.write(written(lines, output()))


def show_json(thing: object) -> None:
    """Print a value as JSON, indented."""
    import json

    from pipeline.model.value import to_value

    sys.stdout.write(json.dumps(to_value(thing), indent=2, ensure_ascii=False) + "\n")


def moment_of(text: str, option: str) -> datetime:
    """A time with its date, or how long ago."""
    from datetime import UTC, datetime, timedelta

    from pipeline.model.quantity import seconds

    try:
        return datetime.now(UTC) - timedelta(seconds=seconds(text))
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option}: '{text}' is no time", hint="write how long ago (90s, 10m, 2h), or 2026-11-24T03:00:00Z"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def variables(pairs: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` words as a mapping; a later one wins."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"'{pair}' is not NAME=VALUE", param_hint="--var")
        found[name] = value
    return found


def run_argument(command: Command) -> Command:
    """`RUN`: a number of this repository, the beginning of an id, or `last`."""
    return click.argument("reference", metavar="RUN", shell_complete=complete_run)(command)


def application() -> Application:
    """What the operations stand on, from this machine's settings."""
    from pipeline import bootstrap

    return bootstrap.Application()
