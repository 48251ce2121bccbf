"""What `run`, `resume` and `retry` do with a server: they ask, watch as if it ran here, and end as it ended."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from pipeline.cli.verdict import exit_code
from pipeline.cli.watching import view_of
from pipeline.errors import ExitCode, UsageError

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.run import Run
    from pipeline.model.work import WorkItem
    from pipeline.remote.there import There


class LeftError(Exception):
    """Whoever watched has gone: the run goes on."""


def follow(there: There, item: WorkItem, *, as_json: bool, plain: bool, before: Run | None = None) -> int:
    """Watch what was asked for; the exit status of the run. Ctrl-C leaves it running, and says how to stop it."""
    from pipeline.remote.there.following import Following, Times

    times = Times()
    view = view_of(as_json=as_json, plain=plain, stopwatch=times)
    reference = item.request.retry or item.id
    following = Following(there.connection, there.path(), item, (view,), note=view.note, before=before, times=times)
    try:
        with _leaving():
            finished = following.watch()
    except LeftError:
        view.note(f"the run goes on at {there.connection.server.url}")
        view.note(f"stop it with: ecluse cancel {reference}{said_to(there)}")
        return ExitCode.CANCELLED
    finally:
        view.close()
    return exit_code(finished)


def said_to(there: There) -> str:
    """How a command is told that it is for this server."""
    return f" --server {there.connection.server.name}"


def nothing_else(**options: object) -> None:
    """UsageError for options that say what a machine has to do, of which a server has its own mind."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value not in (None, (), "", False)]
    if given:
        raise UsageError(f"a server decides itself: {', '.join(given)}", hint="leave it away with --server")


@contextmanager
def _leaving() -> Iterator[None]:
    """Ctrl-C and SIGTERM become LeftError, while this runs."""

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signal module's signature
        raise LeftError

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, handler in before.items():
            signal.signal(number, handler)
