"""Real servers for tests: started on free loopback ports with a folder of their own, ended with the test."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from . import packages
from .progress import UnavailableError, tail

PORTS = range(10_000, 18_000)
"""Which ports `free_port` gives."""
READY_WITHIN = 30.0
STOP_WITHIN = 10.0
T = TypeVar("T")


def program(command: str, package: str) -> str:
    """The path of a server's program; `UnavailableError` says in one line what is missing and how to get it."""
    path = packages.locate(command)
    if path is None:
        raise UnavailableError(
            f"{command} is missing: run `make test`, which installs it, "
            f"or apt-get install --no-install-recommends {package}"
        )
    return path


def free_port(preferred: int = 0) -> int:
    """A loopback TCP port that nobody listens on: the preferred one if it can be had. None of those that the kernel
    gives to connections, one of which might have it before the server that it is meant for."""
    drawn = random.SystemRandom().sample(PORTS, 100)
    for port in (preferred, *drawn) if preferred else drawn:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UnavailableError("no free TCP port on 127.0.0.1")


def server_environment() -> dict[str, str]:
    """Our environment without what a registry would take for its configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}


@contextmanager
def serving(command: Sequence[str | Path], *, log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """Runs a server for as long as the body runs, which begins once `ready` is true. It does not outlive us."""
    words = ["setpriv", "--pdeathsig=TERM", "--", *map(str, command)]
    with log.open("wb") as sink:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=server_environment(), start_new_session=True
        )
    try:
        deadline = time.monotonic() + READY_WITHIN
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"{Path(str(command[0])).name} did not start\n{tail(log)}")
            time.sleep(0.02)
        yield
    finally:
        child.terminate()
        try:
            child.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def fetch(url: str) -> bytes | None:
    """The body of a 2xx answer from a loopback server, past any proxy; None for anything else."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as reply:
            return bytes(reply.read())
    except (urllib.error.URLError, OSError):
        return None


def eventually(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """The first value that is not None; `TimeoutError` naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while (value := look()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {seconds:g} s: {what}")
        time.sleep(0.05)
    return value
