"""The Docker executor: stages run in containers of one engine, local or remote."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from pipeline.dockerapi import address, connect, translating
from pipeline.errors import EcluseError
from pipeline.executors.docker import sweep
from pipeline.executors.docker.engine_facts import choose_workspace, engine_of
from pipeline.executors.docker.session import DockerSession
from pipeline.model.identity import RunIdentity
from pipeline.ports.console import Console
from pipeline.ports.executor import ExecutorInfo, Leftover, Session
from pipeline.settings import Settings

WORTH_SANDBOXES = 3
"""Stages of a run from which on a sandbox, which costs as much as a container, pays."""


class DockerExecutor:
    """Implements `pipeline.ports.executor.Executor`. Holds nothing open; safe for several threads."""

    name = "docker"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def warm(self) -> None:
        """Import the client and say hello to the engine while the caller reads its files."""
        threading.Thread(target=self._connect, name="warm", daemon=True).start()

    def _connect(self) -> None:
        with suppress(EcluseError):  # the session will meet it again, and say it
            client = connect(self._settings)
            if self._settings.workspace == "auto":
                engine_of(client)

    def probe(self) -> ExecutorInfo:
        """Version, storage and workspace kind of the engine."""
        client = connect(self._settings)
        with translating("ask the engine about itself"):
            info = client.info()
        return ExecutorInfo(
            name=self.name,
            version=str(info["ServerVersion"]),
            workspace=choose_workspace(client, self._settings),
            details={
                "address": address(self._settings),
                "api": client.api_version,
                "system": str(info.get("OperatingSystem", "")),
                "kernel": str(info.get("KernelVersion", "")),
                "storage": str(info.get("Driver", "")),
                "cgroup": f"{info.get('CgroupDriver', '')} v{info.get('CgroupVersion', '1')}",
                "root": str(info.get("DockerRootDir", "")),
                "rootless": "yes" if "name=rootless" in (info.get("SecurityOptions") or []) else "no",
            },
        )

    def open(self, run: RunIdentity, *, lanes: int, stages: int = 20) -> Session:
        """A session that connects and lays out its workspace behind the scenes."""
        return DockerSession(self._settings, run, lanes=lanes if stages >= WORTH_SANDBOXES else 0)

    def lost(self, run: RunIdentity, layers: Sequence[str]) -> frozenset[str]:
        """Those whose folder, or whose name on the engine, is gone; copies lie on this machine."""
        client = connect(self._settings)
        if choose_workspace(client, self._settings) == "copy":
            from pipeline.executors.docker.workspace_copy import layer_path

            folder = self._settings.home / "workspaces" / run.run
            return frozenset(layer for layer in layers if not layer_path(folder, layer).exists())
        from pipeline.executors.docker.depot import Depot
        from pipeline.executors.docker.slots import layers_of

        return frozenset(layers) - layers_of(client, run, Depot(client, run).volume)

    def enter(self, run: RunIdentity, stage: str, *, command: Sequence[str], secrets: bytes, console: Console) -> int:
        """Run a command in a copy of the stage's kept container."""
        from pipeline.executors.docker import shell

        client = connect(self._settings)
        return shell.enter(client, run, stage, command=command, secrets=secrets, console=console)

    def leftovers(self, installation: str) -> tuple[Leftover, ...]:
        """What runs of this installation have left; images that they built carry a name instead of a label."""
        from pipeline.executors.docker.images import DockerImages

        return sweep.find(connect(self._settings), installation) + DockerImages(self._settings).leftovers(installation)

    def remove(self, leftovers: tuple[Leftover, ...]) -> None:
        """Remove them."""
        sweep.remove(connect(self._settings), leftovers)
