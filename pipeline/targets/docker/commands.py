"""Running a command in a container that serves."""

from __future__ import annotations

import threading
from contextlib import suppress

from pipeline.dockerapi import translating
from pipeline.errors import TargetError
from pipeline.targets.docker.fleet import Deployed, Fleet

OUTPUT_LIMIT = 64 * 1024


def run_in(fleet: Fleet, item: Deployed, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
    """Its exit code and output; 124 when it did not end in time (it is left to itself then)."""
    output, ended = bytearray(), threading.Event()
    with translating(f"run a command in {item.name}"):
        made = fleet.client.exec_create(item.id, list(command))["Id"]

    def collect() -> None:
        with suppress(Exception):  # a broken stream shows as an exit code that is not there
            for chunk in fleet.client.exec_start(made, stream=True):
                output.extend(chunk[: OUTPUT_LIMIT - len(output)])
        ended.set()

    threading.Thread(target=collect, name="target-command", daemon=True).start()
    if not ended.wait(timeout):
        return 124, f"no answer within {timeout:g}s"
    with translating(f"run a command in {item.name}"):
        code = fleet.client.exec_inspect(made)["ExitCode"]
    if code is None:
        raise TargetError(f"{item.name} ended while a command ran in it", hint="see its log with `docker logs`")
    return int(code), output.decode(errors="replace")
