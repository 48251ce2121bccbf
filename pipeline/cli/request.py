"""The options that say what a run or a plan is about: commit, event, branch, tag, target, variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--commit",
        "revision",
        default="",
        metavar="REV",
        help="A commit, branch or tag; by default the working tree as it is.",
    ),
    click.option(
        "--event",
        type=click.Choice(["push", "pull_request", "schedule", "manual"]),
        default=None,
        help="What the run is for; by default what the CI host says, else manual.",
    ),
    click.option("--branch", default=None, metavar="NAME", help="The branch, where git does not say it."),
    click.option("--tag", default=None, metavar="NAME", help="The tag, where git does not say it."),
    click.option("--target", default=None, metavar="NAME", help="The branch that a pull request is to be merged into."),
    click.option("--var", multiple=True, metavar="NAME=VALUE", help="Set a variable of the pipeline; may be repeated."),
)


def fresh_option(command: Command) -> Command:
    """`--fresh [STAGE]`: run all stages, or these, whatever earlier results there are."""
    return click.option(
        "--fresh",
        multiple=True,
        is_flag=False,
        flag_value="*",
        metavar="[STAGE]",
        help="Reuse nothing (or nothing of STAGE; may be repeated), and keep the new results instead.",
    )(command)


def request_options(command: Command) -> Command:
    """`--commit`, `--event`, `--branch`, `--tag`, `--target` and `--var`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
