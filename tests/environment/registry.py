"""Debian's image registry on a loopback port, open or with a login."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from . import packages, processes
from .places import Places
from .progress import Unavailable, step, tail

USUAL_PORT = 5555
USER, PASSWORD = "lock-keeper", "open-sluice"
# bcrypt of PASSWORD: what `htpasswd -nbB` prints. The registry takes no other kind, and Python has none built in.
LOGIN = f"{USER}:$2b$05$gF9igcDy9sjATsoGeTJhHeGm49olLM4YNI9wVVFOyompHD.xvWmmC\n"


def free_port(preferred: int = 0) -> int:
    """A loopback TCP port that nobody listens on: the preferred one if it can be had."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no free TCP port on 127.0.0.1")


def serve(folder: Path, port: int, *, login: bool) -> subprocess.Popen[bytes]:
    """Starts a registry with all its files in `folder` and returns once it answers."""
    program = packages.locate("docker-registry")
    if program is None:
        raise Unavailable(
            "docker-registry is missing: apt-get install --no-install-recommends docker-registry"
        )
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "config.json", folder / "registry.log"
    # JSON is YAML too, and needs no care with quotes.
    auth = (
        f', "auth": {{"htpasswd": {{"realm": "ecluse", "path": {_quoted(folder / "htpasswd")}}}}}'
        if login
        else ""
    )
    (folder / "htpasswd").write_text(LOGIN)
    config.write_text(
        f'{{"version": 0.1, "log": {{"level": "warn"}}, "http": {{"addr": "127.0.0.1:{port}"}}, '
        f'"storage": {{"filesystem": {{"rootdirectory": {_quoted(folder / "data")}}}, '
        f'"delete": {{"enabled": true}}}}{auth}}}\n'
    )
    with log.open("wb") as sink:
        # Its own environment would be read as configuration: REGISTRY_… of the user's is not ours.
        env = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        child = subprocess.Popen(
            [program, "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env=env,
        )
    deadline = time.monotonic() + 20
    while not answers(port):
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            child.wait()
            raise Unavailable(f"the registry did not start on 127.0.0.1:{port}\n{tail(log)}")
        time.sleep(0.02)
    return child


def answers(port: int) -> bool:
    """Whether a registry answers on this loopback port, with or without a login."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/v2/", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


def provide(places: Places) -> tuple[str, bool]:
    """The address of our registry, and whether it had to be started."""
    remembered = places.state / "registry.port"
    if processes.recall(places.state / "registry.json"):
        port = int(remembered.read_text())
        if answers(port):
            return f"127.0.0.1:{port}", False
        stop(places)
    packages.install(packages.missing({"docker-registry": "docker-registry"}), places)
    with step("starting a registry"):
        port = free_port(USUAL_PORT)
        child = serve(places.root / "registry", port, login=False)
        remembered.write_text(str(port))
        processes.remember(places.state / "registry.json", child.pid)
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


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
