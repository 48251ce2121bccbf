"""An engine, a registry and an HAProxy of a test's own, each of which can be gone for a while, and promoters there."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from environment import processes, registry
from environment.haproxy import Haproxy, haproxy
from environment.hosts import hosts
from environment.logged_socket import LoggedSocket, Write, engine_write, proxy_write
from environment.servers import eventually, free_port, serving
from environment.swarm import Node
from promoter_process import Errand

GOOD, BROKEN = "abcde", "z"
SERVES = 'CMD ["httpd", "-f", "-p", "8080", "-h", "/w"]'
ENDS = 'CMD ["sh", "-c", "echo cannot start; exit 3"]'
PLAIN_PORT = 18080
PROMOTER = Path(__file__).with_name("promoter_process.py")


@dataclass(kw_only=True)
class DockerGround:
    """Two environments on one engine: `plain` and `proxied`. Promoters reach the engine and the proxy through sockets
    that note what each of them writes."""

    folder: Path
    home: Path
    node: Node
    front: Haproxy
    registry_port: int
    registry_address: str
    stack: ExitStack
    writes: list[Write] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    """Of each release, by digest; the registry has them, and the engine only those that run."""
    _registry: ExitStack = field(default_factory=ExitStack)
    _suspended: set[int] = field(default_factory=set)
    _socket: LoggedSocket = field(init=False)

    def __post_init__(self) -> None:
        socket = Path(self.node.url.removeprefix("unix://"))
        self._socket = LoggedSocket(self.folder / "engine.sock", socket, engine_write, self.writes)
        proxy = LoggedSocket(self.folder / "proxy.sock", Path(self.front.socket), proxy_write, self.writes)
        self._socket.open()
        proxy.open()
        self.stack.callback(proxy.close)
        self.stack.callback(self._socket.close)
        self.step_clock(0)
        self.tokens.touch()

    @property
    def clock(self) -> Path:
        """Which says how wrong the promoters' wall clocks are."""
        return self.folder / "clock"

    @property
    def tokens(self) -> Path:
        """Which process wrote under which lease."""
        return self.folder / "tokens"

    def errand(self, environment: str, letter: str, **more: Any) -> Errand:
        """To bring that release in there."""
        return Errand(
            home=str(self.home),
            engine=f"unix://{self._socket.path}",
            proxy=str(self.folder / "proxy.sock"),
            address=self.node.address,
            port=PLAIN_PORT if environment == "plain" else self.front.ports["added"],
            clock=str(self.clock),
            tokens=str(self.tokens),
            environment=environment,
            letter=letter,
            image=self.images[letter],
            **more,
        )

    def seen(self, errand: Errand) -> Errand:
        """The same for looking on: past those sockets."""
        return replace(errand, engine=self.node.url, proxy=self.front.socket)

    @contextmanager
    def promoting(self, errand: Errand, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A promoter on its way, once it has begun. What it says is in the file of that name."""
        root = Path(__file__).resolve().parents[2]
        variables = {**os.environ, "PYTHONPATH": str(root)}
        with (self.folder / name).open("wb") as sink:
            words = [sys.executable, str(PROMOTER), errand.json()]
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=variables)
        try:
            eventually(lambda: self.said(name) or None, seconds=60, what="a promoter that begins")
            yield process
        finally:
            process.kill()
            process.wait()

    def said(self, name: str) -> str:
        """All that it has said so far."""
        return (self.folder / name).read_text()

    def suspend(self, process: subprocess.Popen[bytes]) -> None:
        """Hold it up, as a machine that falls asleep; what it still does of the call in which that happened is not
        counted as a second writer's (docs/delivery.md says so)."""
        process.send_signal(signal.SIGSTOP)
        self._suspended.add(process.pid)

    def step_clock(self, seconds: float) -> None:
        """Somebody sets the wall clocks."""
        part = self.folder / "clock.part"
        part.write_text(str(seconds))
        part.replace(self.clock)

    def stop_registry(self) -> None:
        """Nobody answers there any more."""
        self._registry.close()

    def start_registry(self) -> None:
        """With all that it had."""
        self.stop_registry()
        folder, port, address = self.folder / "registry", self.registry_port, self.registry_address
        command = registry.configure(folder, port, login=False, address=address)
        log = folder / "registry.log"
        self._registry.enter_context(serving(command, log=log, ready=lambda: registry.answers(port, address=address)))

    def stop_engine(self, how: str) -> None:
        """`stopped`: as its service is; `killed`: only the daemon; `power`: and everything on it, at once."""
        self._socket.close()
        if how == "power":
            self.node.stop()
            return
        processes.stop(self.node.daemons[0], grace=60 if how == "stopped" else 0)
        if self.node.child is not None:
            self.node.child.wait()

    def start_engine(self) -> None:
        """On what it left."""
        self.node.stop()
        self.node.start()
        self.node.await_answer()
        self._socket.open()

    def writers(self) -> str:
        """What of the order of writes is wrong: a write under an older lease than one before it; "" for nothing."""
        signed = [line.split() for line in self.tokens.read_text().splitlines()]
        leases = {int(process): (environment, int(token)) for process, environment, token in signed}
        highest: dict[str, int] = {}
        for write in sorted(self.writes, key=lambda item: item.at):
            if write.process not in leases:
                return f"{write.what} by process {write.process}, which never told its lease"
            environment, token = leases[write.process]
            if token < highest.get(environment, 0) and write.process in self._suspended:
                continue
            if token < highest.get(environment, 0):
                return f"{write.what} to {environment} under lease {token} after one under {highest[environment]}"
            highest[environment] = token
        return ""

    def pages(self, errand: Errand) -> set[str]:
        """What the environment answers to several requests; `nobody` where it does not."""
        found = set()
        for _ in range(4):
            try:
                found.add(errand.page())
            except (OSError, http.client.HTTPException):
                found.add("nobody")
        return found

    def left(self) -> str:
        """What of the environments is on the engine."""
        marked = ("--filter", "label=io.ecluse.installation")
        kinds = {"container": ("ps", "-aq"), "network": ("network", "ls", "-q"), "volume": ("volume", "ls", "-q")}
        return " ".join(
            f"{kind} {found}" for kind, words in kinds.items() if (found := self.node.docker(*words, *marked))
        )


@contextmanager
def docker_ground(folder: Path, home: Path, *, busybox: str) -> Iterator[DockerGround]:
    """All of it, for as long as the body runs. `folder` has a short path: sockets lie in it."""
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder / "node", ignore_errors=True)
        found = stack.enter_context(hosts(folder, ["soak"]))
        (host,) = found.hosts
        place = folder / "node"
        place.mkdir()
        node = Node(host=host, folder=place, log=folder / "dockerd.log", network=f"{found.gateway}/24")
        stack.callback(node.stop)
        node.start()
        node.await_answer()
        (folder / "haproxy").mkdir()
        front = stack.enter_context(haproxy(folder / "haproxy"))
        ground = DockerGround(
            folder=folder,
            home=home,
            node=node,
            front=front,
            registry_port=free_port(),
            registry_address=found.gateway,
            stack=stack,
        )
        stack.callback(ground.stop_registry)
        ground.start_registry()
        ground.images |= _provide(ground, busybox)
        yield ground


def _provide(ground: DockerGround, busybox: str) -> Mapping[str, str]:
    """A release of each letter in the registry; the engine keeps none."""
    docker, images = ground.node.docker, {}
    with subprocess.Popen(["docker", "save", busybox], stdout=subprocess.PIPE) as saving:
        loading = ["docker", "-H", ground.node.url, "load"]
        subprocess.run(loading, stdin=saving.stdout, capture_output=True, check=True)
    repository = f"{ground.registry_address}:{ground.registry_port}/shop"
    for letter in GOOD + BROKEN:
        context = ground.folder / f"image-{letter}"
        context.mkdir()
        (context / "index.html").write_text(letter)
        serves = ENDS if letter in BROKEN else SERVES
        (context / "Dockerfile").write_text(f"FROM {busybox}\nCOPY index.html /w/\n{serves}\n")
        docker("build", "--quiet", "--tag", f"{repository}:{letter}", str(context))
        docker("push", "--quiet", f"{repository}:{letter}")
        images[letter] = json.loads(docker("image", "inspect", f"{repository}:{letter}"))[0]["RepoDigests"][0]
    for letter in GOOD + BROKEN:
        docker("rmi", "--force", f"{repository}:{letter}", images[letter])
    return images


def seconds_since(moment: float) -> float:
    """By the stopwatch."""
    return time.monotonic() - moment
