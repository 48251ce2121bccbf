"""Workspaces as overlay volumes that the engine itself mounts: no copying, no root, right also for a remote engine."""

from __future__ import annotations

import hashlib
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import EngineError, NotFoundError
from pipeline.executors.docker.depot import Depot, create_anchored, reading, volume_mount
from pipeline.executors.docker.path_stat import path_mode
from pipeline.executors.docker.reaper import removing
from pipeline.executors.docker.slots import Slots
from pipeline.executors.docker.tar_links import Links
from pipeline.executors.docker.tar_modes import change_modes, git_mode, same_mode, shared_mode
from pipeline.model.container import WORKSPACE, View
from pipeline.model.identity import ROLE_WORKSPACE, RunIdentity
from pipeline.ports.workspace import WorkspaceFile

if TYPE_CHECKING:
    from docker import APIClient

EMPTY_TAR = bytes(1024)
MOST = 4095
"""What the kernel takes as mount options: a page less the end mark. One more fails with a misleading message."""
KEPT = 8
"""Layers nearest to a stage that are left as they are when older ones are made flat."""


class OverlayWorkspace:
    """One folder of the depot a layer, one overlay volume a view."""

    name = "overlay"

    def __init__(self, client: APIClient, run: RunIdentity, depot: Depot, slots: Slots) -> None:
        self._client = client
        self._run = run
        self._depot = depot
        self._slots = slots
        self._lock = threading.Lock()
        self._volumes: set[str] = set()
        self._readers: dict[View, str] = {}
        self._making: dict[View, threading.Lock] = {}
        self._flattening = threading.RLock()

    def mount(self, view: View) -> Mapping[str, Any]:
        """The view's overlay volume."""
        layers = self._fitting(view) or ("",)
        below, own = [self._slots.of(layer) for layer in layers], self._slots.of(view.layer)
        name = self._name("view", view)
        self._volume(name, self._options(below, own), self._slots.labels(view.layer, layers))
        return volume_mount(name, WORKSPACE)

    def enter(self, view: View, container: str) -> None:
        """Nothing: the engine mounts when it starts."""

    def leave(self, view: View, container: str) -> None:
        """Nothing: what was written is in the layer."""

    def fill(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack into the layer's folder, open to whichever user a stage runs as."""
        links = Links()
        self._depot.put(self._slots.of(layer) + "/u", change_modes(archive, shared_mode, links), links)
        self._slots.claim(layer)

    def save(self, layer: str, below: Sequence[str]) -> Iterator[bytes]:
        """The upper folder with its deletions."""
        from pipeline.executors.docker.overlay_saving import Sources, saved

        made: list[str] = []
        sources = Sources(
            client=self._client,
            upper=lambda file: self._depot.get(self._slots.of(layer) + "/u", file),
            probe=lambda blocks: self._probe(layer, blocks, made),
            below=(lambda: self._reader(View(layer=below[0], below=tuple(below[1:])))) if below else None,
            merged=lambda: self._reader(View(layer=layer, below=tuple(below))),
        )
        try:
            yield from saved(sources)
        finally:
            for container in made:
                self._discard(container)

    def restore(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """The upper folder again: the engine takes such a stream as it is."""
        from pipeline.executors.layer_stream import unmarked

        links = Links()
        content = change_modes(unmarked(archive, layer), same_mode, links)
        self._depot.put(self._slots.of(layer) + "/u", content, links)
        self._slots.claim(layer)

    def read(self, view: View, patterns: Sequence[str]) -> Iterator[WorkspaceFile]:
        """Files of the merged view, straight from the engine."""
        from pipeline.executors.docker.workspace_files import matching, roots_of

        if roots_of(patterns):
            container = self._reader(view)
            yield from matching(patterns, lambda path: self._open(container, path))

    def archive(self, view: View, path: str) -> Iterator[bytes]:
        """A folder of the merged view, with git's modes."""
        inside = "/".join(part for part in path.split("/") if part not in ("", "."))
        container = self._reader(view)
        mode = None if ".." in inside.split("/") else self._mode(container, inside)
        if mode is None or not stat.S_ISDIR(mode):
            raise NotFoundError(
                f"the workspace has no folder '{path}'", hint="name a folder that the checkout or a stage has made"
            )
        return self._archive(container, inside)

    def close(self) -> None:
        """Nothing is kept on this machine."""

    def early(self, view: View) -> bool:
        """Whether no layer need be made flat first."""
        return len(view.below) <= self._most()

    def _fitting(self, view: View) -> tuple[str, ...]:
        """The layers below, with the oldest made flat (ahead of time, from the merged view) where too many."""
        below, most = view.below, self._most()
        with self._flattening:
            while len(below) > most:
                cut = max(2, min(len(below), most) - KEPT)
                below = (*below[:-cut], self._flat(below[-cut:]))
        return below

    def _most(self) -> int:
        """How many layers the mount options have room for."""
        return (MOST - len(self._options([], "zz"))) // len(f"{self._depot.mountpoint}/zz/u:")

    def _flat(self, layers: tuple[str, ...]) -> str:
        flat = "flat:" + hashlib.sha256("\n".join(layers).encode()).hexdigest()[:16]
        if not self._slots.known(flat):
            view = View(layer=layers[0], below=layers[1:])
            with reading(self._client, self._reader(view), f"{WORKSPACE}/.") as chunks:
                links = Links()
                self._depot.put(self._slots.of(flat) + "/u", change_modes(chunks, same_mode, links), links)
            self._slots.claim(flat)
        return flat

    def _archive(self, container: str, inside: str) -> Iterator[bytes]:
        with reading(self._client, container, f"{WORKSPACE}/{inside}/.") as chunks:
            yield from change_modes(chunks, git_mode)

    def _reader(self, view: View) -> str:
        """A container never started that sees the view read-only."""
        with self._lock:
            mine = self._making.setdefault(view, threading.Lock())
        with mine:
            if view not in self._readers:
                self._readers[view] = self._make_reader(view)
            return self._readers[view]

    def _make_reader(self, view: View) -> str:
        layers = [self._slots.of(layer) for layer in self._fitting(View(layer="", below=(view.layer, *view.below)))]
        if len(layers) == 1:
            layers.append(self._slots.of(""))
        return self._seeing(layers)

    def _seeing(self, layers: Sequence[str]) -> str:
        """A container never started that sees these folders merged."""
        paths = ":".join(f"{self._depot.mountpoint}/{slot}/u" for slot in layers)
        options = f"lowerdir={paths},redirect_dir=follow"
        # not by the view: a runner that died may have read it when an empty layer of it had another slot
        volume = self._run.name("reader", hashlib.sha256(options.encode()).hexdigest()[:12])
        labels = dict(self._run.labels(ROLE_WORKSPACE))
        self._volume(volume, options, labels)
        with translating("open the workspace for reading"):
            return create_anchored(
                self._client,
                volume,
                {
                    "Labels": labels,
                    "HostConfig": {"NetworkMode": "none", "Mounts": [volume_mount(volume, WORKSPACE)]},
                },
            )

    def _probe(self, layer: str, blocks: bytes, made: list[str]) -> str:
        """A container that sees a layer over these folders."""
        own, probe = self._slots.of(layer), self._slots.of(f"probe:{layer}")
        self._depot.put(f"{probe}/u", iter((blocks,)))
        container = self._seeing([own, probe])
        made.append(container)
        return container

    def _discard(self, container: str) -> None:
        """Remove a container that nobody needs any more, behind the scenes."""

        def remove() -> None:
            with suppress(EngineError):  # else it goes with the run
                removing("a probe", lambda: self._client.remove_container(container, force=True))

        threading.Thread(target=remove, name="probe", daemon=True).start()

    @contextmanager
    def _open(self, container: str, path: str) -> Iterator[Iterator[bytes]]:
        if self._mode(container, path) is None:
            yield iter((EMPTY_TAR,))
            return
        with reading(self._client, container, f"{WORKSPACE}/{path or '.'}") as chunks:
            yield chunks

    def _mode(self, container: str, path: str) -> int | None:
        """The type and mode at a path none of whose folders is a link; None when there is no such path."""
        place, mode = WORKSPACE, stat.S_IFDIR
        for part in path.split("/") if path else ():
            if not stat.S_ISDIR(mode):
                return None
            place = f"{place}/{part}"
            found = path_mode(self._client, container, place)
            if found is None:
                return None
            mode = found
        return mode

    def _options(self, below: Sequence[str], own: str) -> str:
        top = self._depot.mountpoint
        lower = ":".join(f"{top}/{slot}/u" for slot in below)
        return f"lowerdir={lower},upperdir={top}/{own}/u,workdir={top}/{own}/w,redirect_dir=on"

    def _name(self, kind: str, view: View) -> str:
        return self._run.name(kind, hashlib.sha256("\n".join((view.layer, *view.below)).encode()).hexdigest()[:12])

    def _volume(self, name: str, options: str, labels: Mapping[str, str]) -> None:
        with self._lock:
            if name in self._volumes:
                return
        with translating("create a workspace volume"):
            made = self._client.create_volume(
                name,
                driver="local",
                driver_opts={"type": "overlay", "device": "overlay", "o": options},
                labels=dict(labels),
            )
        if (made.get("Options") or {}).get("o") != options:
            raise EngineError(
                f"volume {name} exists with other options than this run needs",
                hint=f"`docker volume rm {name}` if nothing uses it, then try again",
            )
        with self._lock:
            self._volumes.add(name)
