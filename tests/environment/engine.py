"""The Docker engine: one that answers is used and left alone, else one of our own is started."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from . import bridge, packages, processes
from .places import Places
from .processes import Identity
from .progress import UnavailableError, privileged, step, tail

READY_WITHIN = 60.0
STOP_WITHIN = 40.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """An engine that has answered just now."""

    url: str
    version: str
    ours: bool


def probe(url: str) -> str | None:
    """The version of the engine at this address; None if nothing answers there."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        reply = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            env={**os.environ, "DOCKER_HOST": url},
            capture_output=True,
            text=True,
            timeout=20,
        )
        return reply.stdout.strip() if reply.returncode == 0 else None
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(url.removeprefix("unix://"))
            connection.sendall(b"GET /version HTTP/1.0\r\nHost: engine\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return str(json.loads(answer.partition(b"\r\n\r\n")[2])["Version"])
    except (OSError, ValueError, KeyError):
        return None


def find(places: Places) -> Engine | None:
    """The engine to use: where `DOCKER_HOST` points, ours, or the usual sockets; None if none answers."""
    own = f"unix://{places.socket}"
    chosen = os.environ.get("DOCKER_HOST")
    if chosen and chosen != own:
        packages.install(packages.missing(packages.CLIENT), places)
        version = probe(chosen)
        if version is None:
            raise UnavailableError(
                f"DOCKER_HOST is set to {chosen}, and no engine answers there: start it, "
                "or unset DOCKER_HOST to have an engine started for you"
            )
        return Engine(url=chosen, version=version, ours=False)
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    for url in (own, "unix:///var/run/docker.sock", f"unix://{runtime}/docker.sock"):
        version = probe(url)
        if version:
            return Engine(url=url, version=version, ours=url == own)
    return None


def neighbour() -> Engine | None:
    """Another engine in our network namespace, wherever its socket is: two of them would fight over the firewall."""
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or (entry / "comm").read_text().strip() != "dockerd":
                continue
            if not (entry / "ns/net").samefile("/proc/self/ns/net"):
                continue
        except OSError:
            continue
        words = processes.command_line(int(entry.name))
        hosts = [after for word, after in pairwise(words) if word in ("-H", "--host")]
        hosts += [word.partition("=")[2] for word in words if word.startswith(("-H=", "--host="))]
        for url in hosts:
            version = probe(url) if url.startswith("unix://") else None
            if version:
                return Engine(url=url, version=version, ours=False)
        raise UnavailableError(
            f"a Docker engine runs here already (pid {entry.name}), but not at an address that we can use: "
            "set DOCKER_HOST to it, or stop it"
        )
    return None


def start(places: Places) -> Engine:
    """Starts our own engine and returns once it answers. Its images are kept from run to run."""
    packages.install(packages.missing(needs()), places)
    with step("starting a Docker engine"):
        _clear_the_way(places)
        bridge.remember(places.state / "firewall.json")
        config, log, pidfile = (
            places.root / "daemon.json",
            places.root / "dockerd.log",
            places.sockets / "docker.pid",
        )
        config.write_text("{}\n")
        command = [
            *privileged(),
            packages.locate("dockerd") or "dockerd",
            f"--config-file={config}",
            f"--data-root={places.root / 'engine'}",
            f"--exec-root={places.sockets / 'exec'}",
            f"--pidfile={pidfile}",
            f"--host=unix://{places.socket}",
            f"--group={os.getgid()}",
            "--log-level=warn",
        ]
        path = f"{os.environ.get('PATH', os.defpath)}:{packages.ADMIN_PATH}"
        with log.open("wb") as sink:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                cwd="/",
                env={**os.environ, "PATH": path},
            )
        try:
            version = _await(places, child, log)
        except BaseException:
            _remember(places, pidfile)
            stop(places)
            if child.poll() is None:
                child.terminate()
            bridge.restore(places.state / "firewall.json")
            raise
        _remember(places, pidfile)
    return Engine(url=f"unix://{places.socket}", version=version, ours=True)


def _await(places: Places, child: subprocess.Popen[bytes], log: Path) -> str:
    """The version of our engine as soon as it answers."""
    deadline = time.monotonic() + READY_WITHIN
    while (version := probe(f"unix://{places.socket}")) is None:
        if child.poll() is not None or time.monotonic() > deadline:
            raise UnavailableError(
                f"our Docker engine did not start\n{tail(log)}\nWhole log: {log}\n"
                "It needs a Linux host where root may mount and make networks; "
                "or start an engine yourself and set DOCKER_HOST"
            )
        time.sleep(0.05)
    return version


def running(places: Places) -> Identity | None:
    """Our own engine's process, if it is alive."""
    return processes.recall(places.state / "dockerd.json")


def stop(places: Places) -> bool:
    """Ends our own engine and its containerd, with what they left behind on the host. False if none ran."""
    daemon = running(places)
    if daemon:
        with step("stopping our Docker engine"):
            processes.stop(daemon, grace=STOP_WITHIN)
    child = processes.recall(places.state / "containerd.json")
    if child:
        processes.stop(child, grace=10)
    if daemon or child:
        unmount_below(_folders(places))
        _remove(places.sockets / "exec")
        bridge.restore(places.state / "firewall.json")
    for file in ("dockerd.json", "containerd.json"):
        (places.state / file).unlink(missing_ok=True)
    if not daemon:
        return False
    for path in (places.socket, places.sockets / "docker.pid"):
        _remove(path)
    return True


def _remember(places: Places, pidfile: Path) -> None:
    """Writes down who our daemon and its containerd are, from the pid files that they wrote themselves."""
    for name, file in (
        ("dockerd", pidfile),
        ("containerd", places.sockets / "exec/containerd/containerd.pid"),
    ):
        pid = _read_pid(file)
        if pid and _is_ours(pid, name, places):
            processes.remember(places.state / f"{name}.json", pid)


def _read_pid(file: Path) -> int | None:
    try:
        return int(subprocess.run([*privileged(), "cat", str(file)], capture_output=True, text=True).stdout)
    except ValueError:
        return None


def _is_ours(pid: int, name: str, places: Places) -> bool:
    """Whether this pid is that program with our folders in its arguments: a pid file alone proves nothing."""
    words = processes.command_line(pid)
    return bool(words) and Path(words[0]).name == name and any(str(places.sockets) in word for word in words[1:])


def _clear_the_way(places: Places) -> None:
    """Makes pid files and sockets of an engine that was killed, or of a machine that was switched off, harmless."""
    for name, file in (
        ("dockerd", places.sockets / "docker.pid"),
        ("containerd", places.sockets / "exec/containerd/containerd.pid"),
    ):
        pid = _read_pid(file)
        if pid and _is_ours(pid, name, places) and (identity := processes.identify(pid)):
            processes.stop(identity, grace=STOP_WITHIN)
        _remove(file)
    _remove(places.socket)
    last_boot = places.state / "boot"
    if not last_boot.exists() or last_boot.read_text() != processes.boot():
        unmount_below(_folders(places))
        _remove(places.sockets / "exec")
        last_boot.write_text(processes.boot())


def _folders(places: Places) -> tuple[str, ...]:
    return (f"{places.sockets}/exec/", f"{places.root}/engine/")


def unmount_below(folders: tuple[str, ...]) -> None:
    """Lets go of what an engine that has ended had mounted below its folders; each ends with a slash."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    plain = [re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point) for point in points]
    ours = [point for point in reversed(plain) if f"{point}/".startswith(folders)]
    if ours:
        subprocess.run([*privileged(), "umount", "--lazy", *ours], capture_output=True)


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except PermissionError:
        subprocess.run([*privileged(), "rm", "-rf", "--one-file-system", "--", str(path)], capture_output=True)


def needs() -> dict[str, str]:
    """What an engine of our own takes; on some hosts also AppArmor's parser and something that mounts cgroups."""
    found = packages.CLIENT | packages.ENGINE
    apparmor = Path("/sys/module/apparmor/parameters/enabled")
    if apparmor.exists() and apparmor.read_text().startswith("Y"):
        found["apparmor_parser"] = "apparmor"
    if not any(Path("/sys/fs/cgroup").glob("*")):
        found["cgroupfs-mount"] = "cgroupfs-mount"
    return found
