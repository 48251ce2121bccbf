"""Hosts of our own inside this one: network namespaces with names and addresses, joined by a switch.

Nobody gives a namespace a name: each lives as long as the process that holds it, which ends when we do.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import packages, processes
from .processes import Identity
from .progress import UnavailableError, privileged
from .servers import eventually

# Where a free network is looked for: rarely used by engines, offices and clouds.
POOL = ipaddress.IPv4Network("10.213.0.0/16")
SWITCH = "switch0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """One namespace with a name of its own; `address` is reached from here."""

    name: str
    address: str
    holder: Identity

    def words(self, *command: str) -> list[str]:
        """The command as it is run on that host."""
        pid = self.holder.pid
        return [*privileged(), "nsenter", f"--net=/proc/{pid}/ns/net", f"--uts=/proc/{pid}/ns/uts", "--", *command]

    def run(self, *command: str) -> str:
        """Runs a command there to its end; its output."""
        return _run(self.words(*command))

    def cut(self) -> None:
        """Pulls the plug of its network; everything on it runs on."""
        self.run("ip", "link", "set", "eth0", "down")

    def mend(self) -> None:
        """Puts the plug back."""
        self.run("ip", "link", "set", "eth0", "up")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hosts:
    """Several hosts on one network; `gateway` is our own address on it."""

    gateway: str
    hosts: tuple[Host, ...]


@contextmanager
def hosts(folder: Path, names: Sequence[str]) -> Iterator[Hosts]:
    """Hosts with those names, which reach each other and us and nobody else; gone without a trace at the end."""
    for command, package in {"ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux"}.items():
        if packages.locate(command) is None:
            raise UnavailableError(f"{command} is missing: apt-get install --no-install-recommends {package}")
    network = _free_network()
    addresses = [str(network[index]) for index in range(1, len(names) + 2)]
    key = secrets.token_hex(3)
    with ExitStack() as stack:
        switch = stack.enter_context(_held(folder, "switch", ""))
        switch.run("ip", "link", "add", SWITCH, "type", "bridge")
        switch.run("ip", "link", "set", SWITCH, "up")
        plug, wire = f"ecl{key}", f"ecl{key}-s"
        _run([*privileged(), "ip", "link", "add", plug, "type", "veth", "peer", "name", wire])
        stack.callback(_quietly, [*privileged(), "ip", "link", "delete", plug])
        _run([*privileged(), "ip", "link", "set", wire, "netns", str(switch.holder.pid)])
        _plug_in(switch, wire)
        _run([*privileged(), "ip", "address", "add", f"{addresses[0]}/24", "dev", plug])
        _run([*privileged(), "ip", "link", "set", plug, "up"])
        found = []
        for name, address in zip(names, addresses[1:], strict=True):
            host = stack.enter_context(_held(folder, name, address))
            port = f"port-{name}"[:15]
            host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", port)
            host.run("ip", "link", "set", port, "netns", str(switch.holder.pid))
            _plug_in(switch, port)
            host.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                host.run("ip", "link", "set", device, "up")
            host.run("ip", "route", "add", "default", "via", addresses[0])
            found.append(host)
        yield Hosts(gateway=addresses[0], hosts=tuple(found))


def _plug_in(switch: Host, port: str) -> None:
    switch.run("ip", "link", "set", port, "master", SWITCH)
    switch.run("ip", "link", "set", port, "up")


@contextmanager
def _held(folder: Path, name: str, address: str) -> Iterator[Host]:
    """A namespace for as long as the body runs."""
    note = folder / f"{name}.holder"
    script = 'echo "$2" >/proc/sys/kernel/hostname; echo $$ >"$1.part"; mv "$1.part" "$1"; exec sleep infinity'
    command = [
        *privileged(), "setpriv", "--pdeathsig=KILL", "--", "unshare", "--net", "--uts", "--",
        "sh", "-c", script, "sh", str(note), name,
    ]  # fmt: skip
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, cwd="/")

    def ready() -> str | None:
        if child.poll() is not None:
            said = child.stderr.read().decode().strip() if child.stderr else ""
            raise UnavailableError(f"no network namespace can be made here ({said}): this takes root on Linux")
        return note.read_text() if note.exists() else None

    try:
        identity = processes.identify(int(eventually(ready, seconds=10, what=f"the namespace {name}")))
        if identity is None:
            raise UnavailableError(f"the holder of the namespace {name} ended at once")
        yield Host(name=name, address=address, holder=identity)
        processes.stop(identity, grace=0)
    finally:
        if child.poll() is None:
            child.terminate()
        child.wait()
        if child.stderr:
            child.stderr.close()
        note.unlink(missing_ok=True)


def _free_network() -> ipaddress.IPv4Network:
    """A network of 254 addresses that this host has no way to."""
    routes = _run(["ip", "-4", "route", "show", "table", "all"]).split()
    taken = []
    for word in routes:
        try:
            taken.append(ipaddress.IPv4Network(word, strict=False))
        except ValueError:
            continue
    taken = [network for network in taken if network.prefixlen > 0]
    choices = [ipaddress.IPv4Network(choice) for choice in POOL.subnets(new_prefix=24)]
    secrets.SystemRandom().shuffle(choices)
    for choice in choices:
        if not any(choice.overlaps(network) for network in taken):
            return choice
    raise UnavailableError(f"this host has a way to all of {POOL}: there is no network left for hosts of our own")


def _run(command: list[str]) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:{packages.ADMIN_PATH}"
    reply = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path})
    if reply.returncode:
        raise UnavailableError(f"`{' '.join(command)}` ended with {reply.returncode}: {reply.stderr.strip()}")
    return reply.stdout


def _quietly(command: list[str]) -> None:
    subprocess.run(command, capture_output=True)
