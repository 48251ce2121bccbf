"""Ends of holds and freezes on the command line: a time, a day, or how long from now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from pipeline.model.quantity import seconds

Command = TypeVar("Command", bound=Callable[..., Any])


def until_option(*, required: bool) -> Callable[[Command], Command]:
    """`--until TIME`."""
    return click.option(
        "--until",
        metavar="TIME",
        required=required,
        callback=_moment,
        help="When it ends: 2026-12-24, 2026-12-24T18:00 (local time, or with a zone), or 2h, 3d from now.",
    )


def _moment(ctx: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:  # noqa: ARG001 - click's
    if text is None:
        return None
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds(text))
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"'{text}' is neither a time nor a duration like 2h") from error
