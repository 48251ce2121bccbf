"""A command in one instance: run by the engine of its own node, since a manager cannot reach into other nodes."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.errors import TargetError

if TYPE_CHECKING:
    from docker import APIClient

OUTPUT_LIMIT = 64 * 1024


def run_command(client: APIClient, container: str, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
    """Exit code and output (at most 64 KiB); 124 when it did not end in time (it is left to itself then)."""
    output, ended = bytearray(), threading.Event()
    what = f"run a command in container {container[:12]}"
    with translating(what):
        made = client.exec_create(container, list(command))["Id"]

    def collect() -> None:
        with suppress(Exception):  # a broken stream shows as an exit code that is not there
            for chunk in client.exec_start(made, stream=True):
                output.extend(chunk[: OUTPUT_LIMIT - len(output)])
        ended.set()

    threading.Thread(target=collect, name="target-command", daemon=True).start()
    if not ended.wait(timeout):
        return 124, f"no answer within {timeout:g}s"
    with translating(what):
        code = client.exec_inspect(made)["ExitCode"]
    if code is None:
        raise TargetError(f"container {container[:12]} ended while a command ran in it", hint="see its service's log")
    return int(code), output.decode(errors="replace")
