"""A Docker engine of a test's own, to be stopped and started again in the middle of things."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import packages
from .engine import probe
from .progress import UnavailableError, privileged, tail
from .servers import program

ANSWERS_WITHIN = 60.0
ENDS_WITHIN = 60.0


class SecondEngine:
    """One engine in a network namespace of its own: two in one fight over the default bridge and the firewall."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder}/docker.sock"

    def start(self) -> None:
        """Start it, on what it left before, and wait until it answers."""
        (self._folder / "daemon.json").write_text("{}\n")
        with (self._folder / "log").open("ab") as sink:
            self._process = subprocess.Popen(
                [
                    *privileged(), "setpriv", "--pdeathsig=TERM", "--", "unshare", "--net", "--",
                    program("dockerd", "docker.io"),
                    f"--config-file={self._folder}/daemon.json",
                    f"--data-root={self._folder}/data",
                    f"--exec-root={self._folder}/exec",
                    f"--pidfile={self._folder}/docker.pid",
                    f"--host={self.url}",
                    "--log-level=warn",
                ],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd="/", start_new_session=True,
                env={**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:{packages.ADMIN_PATH}"},
            )  # fmt: skip
        deadline = time.monotonic() + ANSWERS_WITHIN
        while probe(self.url) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"a second engine does not start:\n{tail(self._folder / 'log')}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it as a restart of its service does, and wait until it has gone with all that runs in it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    def load(self, images: Sequence[str]) -> None:
        """Give it images of the first engine."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as source:
            subprocess.run(
                ["docker", "load", "--quiet"],
                stdin=source.stdout,
                env={**os.environ, "DOCKER_HOST": self.url},
                capture_output=True,
                check=True,
            )


@contextmanager
def second_engine(images: Sequence[str]) -> Iterator[SecondEngine]:
    """One that answers and has these images; gone with all that it has at the end of the body."""
    folder = Path(tempfile.mkdtemp(prefix="ecluse-engine-"))  # short: it holds sockets
    engine = SecondEngine(folder)
    try:
        engine.start()
        engine.load(images)
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)
