"""From a created container to its exit: attach, start, feed, deliver, await."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import status_of, translating
from pipeline.executors.docker.attach import Attachment
from pipeline.executors.docker.attendance import Attendance
from pipeline.executors.docker.retelling import Told
from pipeline.executors.docker.stopping import Stopper
from pipeline.model.container import UNFED, Exit

if TYPE_CHECKING:
    from docker import APIClient

GONE = 404
START = "start the container"
STOPPED = 143
"""The code of a container that was cancelled before it started: as if SIGTERM had ended it."""


def run_created(client: APIClient, container: str, attendance: Attendance, *, grace: float) -> Exit:
    """Run a created container to its end; all its output has been written when this returns.

    Raises EngineError and kin; the container is then in whatever state it was.
    """
    attachment = Attachment(client, container)
    try:
        began = time.monotonic()
        attendance.output.starting()
        with translating(START):
            client.start(container)
        stopper = Stopper(client, container, grace=grace)
        with attendance.cancel.calling(stopper.begin):
            try:
                attachment.write(attendance.stdin)
                attachment.pump(attendance.output.write)
                code = _await(client, container)
            finally:
                stopper.ended()
    finally:
        attachment.close()
    return Exit(
        code=code,
        out_of_memory=code != 0 and out_of_memory(client, container),
        cancelled=stopper.begun,
        seconds=time.monotonic() - began,
    )


def run_found(client: APIClient, container: str, attendance: Attendance, *, grace: float, running: bool) -> Exit | None:
    """Take over a container that runs or has ended: its output from the beginning, then its exit.

    None when it ended because the process that started it was killed before it had fed it: it has done nothing.
    """
    stopper = Stopper(client, container, grace=grace)
    began = time.monotonic()
    told, output = Told(client, container), attendance.output
    output.replaying()
    output.starting()
    with attendance.cancel.calling(stopper.begin):
        try:
            told.past(output.replayed)
            if running:
                told.rest(output.write)
            code = _await(client, container)
        finally:
            stopper.ended()
    if code == UNFED and not told.total:
        return None
    return Exit(
        code=code,
        out_of_memory=code != 0 and out_of_memory(client, container),
        cancelled=stopper.begun,
        seconds=time.monotonic() - began,
    )


def inspect(client: APIClient, container: str) -> Mapping[str, Any] | None:
    """What the engine knows of a container, by name or id; None when it is not there."""
    with translating("inspect a container"):
        try:
            found: Mapping[str, Any] = client.inspect_container(container)
        except Exception as error:
            if status_of(error) == GONE:
                return None
            raise
    return found


def out_of_memory(client: APIClient, container: str) -> bool:
    """Whether the kernel killed something in it for memory."""
    found = inspect(client, container)
    return bool(found and found["State"].get("OOMKilled"))


def _await(client: APIClient, container: str) -> int:
    with translating("wait for the container"):
        return int(client.wait(container, timeout=None)["StatusCode"])
