"""A command in a container, run by its engine."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.dockerapi import output_of, translating
from pipeline.errors import TargetError

if TYPE_CHECKING:
    from docker import APIClient

OUTPUT_LIMIT = 64 * 1024


def run_in(
    client: APIClient, container: str, command: tuple[str, ...], *, name: str = "", timeout: float
) -> tuple[int, str]:
    """Its exit code and output (at most 64 KiB); 124 when it did not end in time (it is left to itself then).

    `name` is what the container is called where something goes wrong.
    """
    output, ended = bytearray(), threading.Event()
    name = name or f"container {container[:12]}"
    with translating(f"run a command in {name}"):
        made = client.exec_create(container, list(command))["Id"]

    def collect() -> None:
        with suppress(Exception):  # a broken stream shows as an exit code that is not there
            for chunk in output_of(client, made):
                output.extend(chunk[: OUTPUT_LIMIT - len(output)])
        ended.set()

    threading.Thread(target=collect, name="target-command", daemon=True).start()
    if not ended.wait(timeout):
        return 124, f"no answer within {timeout:g}s"
    with translating(f"run a command in {name}"):
        code = client.exec_inspect(made)["ExitCode"]
    if code is None:
        raise TargetError(f"{name} ended while a command ran in it", hint="see its log with `docker logs`")
    return int(code), output.decode(errors="replace")
