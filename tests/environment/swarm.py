"""A real swarm: one engine a node, each on a host of its own, with a registry that all of them reach."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import engine, processes, registry
from .hosts import Host, Hosts, hosts
from .processes import Identity
from .progress import UnavailableError, privileged, step, tail
from .servers import eventually, free_port, program, server_environment, serving

READY_WITHIN = 60.0
LOGS_WITHIN = 15.0
HEARTBEAT = "1s"
"""A node counts as lost after three of them."""


@dataclass(kw_only=True, slots=True)
class Node:
    """One member of the swarm. `url` is its engine's address, also while its network is cut."""

    host: Host
    folder: Path
    log: Path
    network: str
    """Where registries are spoken to without TLS."""
    flags: Sequence[str] = ()
    child: subprocess.Popen[bytes] | None = None
    daemons: list[Identity] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def address(self) -> str:
        return self.host.address

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def docker(self, *words: str, seconds: float | None = None) -> str:
        """What docker's own client says to that engine; CalledProcessError when it refuses."""
        done = subprocess.run(["docker", "-H", self.url, *words], capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, ["docker", *words], done.stdout, done.stderr)
        return done.stdout.strip()

    def start(self) -> None:
        """Starts its engine, and returns before it answers."""
        (self.folder / "daemon.json").write_text("{}\n")
        command = self.host.words(
            program("dockerd", "docker.io"), f"--config-file={self.folder}/daemon.json",
            f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec", f"--pidfile={self.folder}/pid",
            f"--host={self.url}", f"--group={os.getgid()}", "--log-level=warn",
            "--exec-opt=native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{self._cgroup}",
            f"--insecure-registry={self.network}", *self.flags,
        )  # fmt: skip
        with self.log.open("ab") as sink:
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", "--", *command],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd="/",
                env={**server_environment(), "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
            )  # fmt: skip

    def await_answer(self) -> None:
        """Returns once its engine answers, and remembers which processes they are."""

        def answers() -> bool | None:
            if self.child is not None and self.child.poll() is not None:
                raise UnavailableError(f"the engine of {self.name} did not start\n{tail(self.log)}")
            return True if engine.probe(self.url) else None

        eventually(answers, seconds=READY_WITHIN, what=f"the engine of {self.name}")
        pids = [self.folder / "pid", self.folder / "exec/containerd/containerd.pid"]
        found = [processes.identify(int(_read(file))) for file in pids]
        self.daemons = [identity for identity in found if identity]

    def kill(self) -> None:
        """Its engine and everything on it dies at once, and its network with it: as when the power fails."""
        self.host.cut()
        for identity in self.daemons:
            processes.stop(identity, grace=0)
        for identity in self._shims():
            processes.stop(identity, grace=0)

    def restart(self) -> None:
        """The power is back: its engine starts again, and joins the swarm as it was."""
        self.stop()
        self.host.mend()
        self.start()
        self.await_answer()

    def stop(self) -> None:
        """Ends its engine and what runs on it without a farewell, and lets go of what they held."""
        for identity in self.daemons:
            processes.stop(identity, grace=0)
        if self.child is not None:
            if self.child.poll() is None:
                self.child.terminate()
            self.child.wait()
        for identity in self._shims():
            processes.stop(identity, grace=0)
        for file in ("pid", "exec/containerd/containerd.pid"):  # an engine waits for whom it finds there
            subprocess.run([*privileged(), "rm", "-f", str(self.folder / file)], capture_output=True)
        engine.unmount_below((f"{self.folder}/",))
        groups = Path("/sys/fs/cgroup")
        for group in (*groups.glob(self._cgroup), *groups.glob(f"*/{self._cgroup}")):
            subprocess.run([*privileged(), "find", str(group), "-depth", "-type", "d", "-delete"], capture_output=True)

    @property
    def _cgroup(self) -> str:
        return f"ecluse-{self.host.holder.pid}-{self.name}"

    def _shims(self) -> list[Identity]:
        """Processes of its containers and of those who watch them: all that lives in its folders or its network."""
        own = Path(f"/proc/{self.host.holder.pid}/ns/net").readlink()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            pid = int(entry.name)
            words = processes.command_line(pid)
            try:
                inside = (entry / "ns/net").readlink() == own
            except OSError:
                continue
            identity = processes.identify(pid)
            is_shim = bool(words) and "shim" in Path(words[0]).name and any(str(self.folder) in word for word in words)
            if identity and identity != self.host.holder and (inside or is_shim):
                found.append(identity)
                found += _children(pid) if is_shim else []
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Swarm:
    """A manager and its workers. `registry` is reached by all of them at the same address."""

    nodes: tuple[Node, ...]
    registry: str
    hosts: Hosts

    @property
    def manager(self) -> Node:
        """The one that takes orders."""
        return self.nodes[0]

    def node(self, name: str) -> Node:
        """The node of that name; KeyError when there is none."""
        return {node.name: node for node in self.nodes}[name]

    def await_nodes(self, number: int) -> None:
        """Returns once so many nodes are ready."""

        def ready() -> bool | None:
            states = self.manager.docker("node", "ls", "--format", "{{.Status}}").split()
            return True if states.count("Ready") == number else None

        eventually(ready, seconds=30, what=f"{number} ready nodes")

    def await_logs(self, image: str) -> None:
        """Returns once the manager gives the logs of every node. It can lose those of one that was away, or that was
        busy for too long (moby issue 35011): then that node's engine starts anew."""
        name = f"logs-{secrets.token_hex(4)}"
        words = ("sh", "-c", "hostname; exec sleep 600")
        self.manager.docker("service", "create", "--detach", "--name", name, "--mode", "global",
                            "--hostname", "{{.Node.Hostname}}", image, *words)  # fmt: skip
        try:
            for node in self.nodes:
                given = partial(self._gives_log, name, node)
                try:
                    eventually(given, seconds=LOGS_WITHIN, what=f"the logs of {node.name}")
                except TimeoutError:
                    node.restart()
                    eventually(given, seconds=READY_WITHIN, what=f"the logs of {node.name} after its restart")
        finally:
            self.manager.docker("service", "rm", name)

    def _gives_log(self, service: str, node: Node) -> bool | None:
        listed = self.manager.docker(
            "service", "ps", service, "--quiet", "--no-trunc", "--filter", "desired-state=running",
            "--filter", f"node={node.name}",
        )  # fmt: skip
        for task in listed.split():
            with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
                if node.name in self.manager.docker("service", "logs", "--raw", task, seconds=5):
                    return True
        return None

    @contextmanager
    def another_registry(self, folder: Path) -> Iterator[str]:
        """A second registry that the nodes reach, for as long as the body runs; its address."""
        with _registry(folder, self.hosts) as address:
            yield address

    def provide(self, image: str, *, source: str, repository: str, registry: str = "") -> str:
        """Brings an image of the engine at `source` to the registry; its reference by digest."""
        name = f"{registry or self.registry}/{repository}:1"
        with subprocess.Popen(["docker", "-H", source, "save", image], stdout=subprocess.PIPE) as saving:
            loading = ["docker", "-H", self.manager.url, "load"]
            subprocess.run(loading, stdin=saving.stdout, capture_output=True, check=True)
        self.manager.docker("tag", image, name)
        self.manager.docker("push", name)
        found = self.manager.docker("image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', name).split()
        return next(reference for reference in found if reference.startswith(name.removesuffix(":1")))


@contextmanager
def swarm(folder: Path, *, names: Sequence[str] = ("node1", "node2", "node3")) -> Iterator[Swarm]:
    """A swarm of those nodes, the first of which is its manager, for as long as the body runs. `folder` has a short
    path: sockets lie in it. Takes about five seconds."""
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder / "nodes", ignore_errors=True)
        found = stack.enter_context(hosts(folder, names))
        address = stack.enter_context(_registry(folder / "registry", found))
        nodes = tuple(_node(folder / "nodes" / host.name, host, network=f"{found.gateway}/24") for host in found.hosts)
        with step(f"starting a swarm of {len(nodes)} nodes"):
            stack.callback(_together, nodes, Node.stop)
            for node in nodes:
                node.start()
            _together(nodes, Node.await_answer)
            _join(nodes)
        yield Swarm(nodes=nodes, registry=address, hosts=found)
    left = traces(folder)
    if left:
        raise UnavailableError("the swarm left behind: " + ", ".join(left))


def traces(folder: Path) -> list[str]:
    """What a swarm in that folder has left on this host: mounts, and processes that name the folder."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    words = {entry.name: processes.command_line(int(entry.name)) for entry in Path("/proc").iterdir()
             if entry.name.isdigit() and int(entry.name) != os.getpid()}  # fmt: skip
    below = f"{folder}/nodes/"
    return [f"mount {point}" for point in mounts if point.startswith(below)] + [
        f"process {pid} ({line[0]})" for pid, line in words.items() if any(below in word for word in line)
    ]


def _node(folder: Path, host: Host, *, network: str) -> Node:
    folder.mkdir(parents=True, exist_ok=True)
    return Node(host=host, folder=folder, log=folder / "dockerd.log", network=network)


def _join(nodes: Sequence[Node]) -> None:
    manager, *workers = nodes
    manager.docker(
        "swarm", "init", "--advertise-addr", manager.address, "--dispatcher-heartbeat", HEARTBEAT,
        "--task-history-limit", "5", "--default-addr-pool", "10.214.0.0/16",
    )  # fmt: skip
    token = manager.docker("swarm", "join-token", "--quiet", "worker")
    order = ("swarm", "join", "--token", token, f"{manager.address}:2377")
    _together(workers, lambda node: node.docker(*order, "--advertise-addr", node.address))


@contextmanager
def _registry(folder: Path, found: Hosts) -> Iterator[str]:
    """A registry on our own end of the hosts' network."""
    port = free_port()
    command = registry.configure(folder, port, login=False, address=found.gateway)
    where = f"{found.gateway}:{port}"
    with serving(command, log=folder / "registry.log", ready=lambda: registry.answers(port, address=found.gateway)):
        yield where


def _together(nodes: Sequence[Node], act: Callable[[Node], object]) -> None:
    with ThreadPoolExecutor(max(1, len(nodes))) as threads:
        list(threads.map(act, nodes))


def _children(pid: int) -> list[Identity]:
    """Who descends from that process."""
    found: list[Identity] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in task.read_text().split():
            identity = processes.identify(int(word))
            found += [*([identity] if identity else []), *_children(int(word))]
    return found


def _read(file: Path) -> str:
    return subprocess.run([*privileged(), "cat", str(file)], capture_output=True, text=True).stdout or "0"
