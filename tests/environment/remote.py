"""A second engine on a host of its own, reached over TCP with TLS and through ssh."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .certificates import Authority, Identity
from .hosts import hosts
from .progress import privileged, step
from .servers import eventually, program, serving
from .swarm import Node

TLS_PORT = 2376
SSH_PORT = 2222
SHARED_FOR = 10
"""Seconds for which a connection stays for the next command, as `ControlPersist` of a user's ssh has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """That engine. `ssh_folder` holds an `ssh` that knows it: put it first on the PATH."""

    node: Node
    identity: Identity
    stranger: Identity
    """One that the engine does not know."""
    ssh_folder: Path

    @property
    def address(self) -> str:
        """Where its published ports are."""
        return self.node.address

    @property
    def tls_url(self) -> str:
        return f"tcp://{self.address}:{TLS_PORT}"

    @property
    def ssh_url(self) -> str:
        return f"ssh://root@{self.address}:{SSH_PORT}"

    def provide(self, image: str, *, source: str) -> None:
        """Bring an image over from another engine."""
        with subprocess.Popen(["docker", "-H", source, "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(["docker", "-H", self.node.url, "load"], stdin=saved.stdout, check=True, capture_output=True)


@contextmanager
def remote(folder: Path) -> Iterator[Remote]:
    """The engine with its ssh server; ended with all that runs on it. `folder` has a short path."""
    with ExitStack() as stack:
        found = stack.enter_context(hosts(folder, ["far"]))
        (host,) = found.hosts
        place = folder / "nodes" / "far"
        place.mkdir(parents=True)
        authority = Authority(folder / "tls", "authority")
        server = authority.server(host.address)
        flags = (
            f"--host=tcp://{host.address}:{TLS_PORT}", "--tlsverify", f"--tlscacert={server.authority}",
            f"--tlscert={server.certificate}", f"--tlskey={server.key}",
        )  # fmt: skip
        node = Node(host=host, folder=place, log=place / "dockerd.log", network=f"{host.address}/32", flags=flags)
        with step("starting an engine on a host of its own"):
            stack.callback(node.stop)
            node.start()
            node.await_answer()
        ssh = stack.enter_context(_ssh(folder / "ssh", node))
        yield Remote(
            node=node,
            identity=authority.client("deployer"),
            stranger=Authority(folder / "other", "other").client("stranger"),
            ssh_folder=ssh,
        )


@contextmanager
def _ssh(folder: Path, node: Node) -> Iterator[Path]:
    """An ssh server on that host, and a folder with an `ssh` that has the key to it."""
    folder.mkdir()
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    (folder / "known").write_text(f"[{node.address}]:{SSH_PORT} {(folder / 'host.pub').read_text()}")
    (folder / "sshd.cfg").write_text(
        f"ListenAddress {node.address}:{SSH_PORT}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n"
        f"SetEnv DOCKER_HOST={node.url}\n"
    )
    commands = folder / "bin"
    commands.mkdir()
    wrapper = commands / "ssh"
    wrapper.write_text(
        f"#!/bin/sh\nexec {program('ssh', 'openssh-client')} -F none -o BatchMode=yes -o IdentitiesOnly=yes "
        f"-o IdentityFile={folder}/user -o UserKnownHostsFile={folder}/known "
        f'-o ControlMaster=auto -o ControlPath={folder}/%p -o ControlPersist={SHARED_FOR} "$@"\n'
    )
    wrapper.chmod(0o755)
    subprocess.run([*privileged(), "mkdir", "-p", "/run/sshd"], check=True)
    command = [*node.host.words(program("sshd", "openssh-server"), "-D", "-e", "-f", str(folder / "sshd.cfg"))]

    def answers() -> bool:
        tried = subprocess.run(
            [wrapper, "-p", str(SSH_PORT), "-l", "root", node.address, "true"], capture_output=True, text=True
        )
        return tried.returncode == 0

    with serving(command, log=folder / "sshd.log", ready=lambda: bool(eventually(lambda: answers() or None, seconds=20,
                 what="the ssh server"))):  # fmt: skip
        try:
            yield commands
        finally:
            subprocess.run([wrapper, "-O", "exit", "-p", str(SSH_PORT), node.address], capture_output=True)
