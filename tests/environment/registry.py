"""Debian's image registry on a loopback port, open or with a login."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import packages, processes
from .places import Places
from .progress import UnavailableError, step, tail
from .servers import READY_WITHIN, free_port, program, server_environment, serving

USUAL_PORT = 5555
USER, PASSWORD = "lock-keeper", "open-sluice"
# bcrypt of PASSWORD: what `htpasswd -nbB` prints. The registry takes no other kind, and Python has none built in.
LOGIN = f"{USER}:$2b$05$gF9igcDy9sjATsoGeTJhHeGm49olLM4YNI9wVVFOyompHD.xvWmmC\n"


def configure(folder: Path, port: int, *, login: bool, address: str = "127.0.0.1") -> list[str]:
    """Writes a registry's configuration, with all its files in `folder`; the command that runs it."""
    path = program("docker-registry", "docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "http": {"addr": f"{address}:{port}"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
    }
    if login:
        (folder / "htpasswd").write_text(LOGIN)
        settings["auth"] = {"htpasswd": {"realm": "ecluse", "path": str(folder / "htpasswd")}}
    config = folder / "config.json"
    config.write_text(json.dumps(settings))  # JSON is YAML too
    return [path, "serve", str(config)]


@contextmanager
def with_login(folder: Path) -> Iterator[str]:
    """A registry of its own that wants USER and PASSWORD; its address."""
    port = free_port()
    command = configure(folder, port, login=True)
    with serving(command, log=folder / "registry.log", ready=lambda: answers(port)):
        yield f"127.0.0.1:{port}"


def answers(port: int, *, address: str = "127.0.0.1") -> bool:
    """Whether a registry answers on this port, with or without a login."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}:{port}/v2/", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


def provide(places: Places) -> tuple[str, bool]:
    """The address of our registry, and whether it had to be started: at its old port with its old images if it died."""
    remembered = places.state / "registry.port"
    before = int(remembered.read_text()) if remembered.exists() else USUAL_PORT
    identity = processes.recall(places.state / "registry.json")
    if identity and answers(before):
        return f"127.0.0.1:{before}", False
    if identity:
        processes.stop(identity, grace=5)
    packages.install(packages.missing({"docker-registry": "docker-registry"}), places)
    with step("starting a registry"):
        port = free_port(before)
        remembered.write_text(str(port))
        _start(places, port)
    return f"127.0.0.1:{port}", True


def stop(places: Places) -> bool:
    """Ends our registry and removes what was pushed to it. False if none ran."""
    identity = processes.recall(places.state / "registry.json")
    if identity:
        processes.stop(identity, grace=5)
    (places.state / "registry.json").unlink(missing_ok=True)
    (places.state / "registry.port").unlink(missing_ok=True)
    shutil.rmtree(places.root / "registry", ignore_errors=True)
    return identity is not None


def _start(places: Places, port: int) -> None:
    """Starts a registry that outlives us, and returns once it answers."""
    folder = places.root / "registry"
    command, log = configure(folder, port, login=False), folder / "registry.log"
    with log.open("wb") as sink:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=server_environment(),
            start_new_session=True,
        )
    processes.remember(places.state / "registry.json", child.pid)
    deadline = time.monotonic() + READY_WITHIN
    while not answers(port):
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            child.wait()
            raise UnavailableError(f"the registry did not start on 127.0.0.1:{port}\n{tail(log)}")
        time.sleep(0.02)
