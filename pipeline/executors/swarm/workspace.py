"""The workspace of a run on a swarm: every layer in the store, and on each node those that its stages see."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from pipeline.errors import NotFoundError
from pipeline.executors.archive import readable
from pipeline.executors.layer_stream import MARK, unmarked
from pipeline.executors.swarm.cluster import Cluster
from pipeline.executors.swarm.nodes import Mooring, Nodes, down
from pipeline.executors.swarm.shelf import FILLED, SAVED, Layers, Stored
from pipeline.model.container import View
from pipeline.ports.workspace import WorkspaceFile

CHUNK = 1 << 18


class SwarmWorkspace:
    """Implements `pipeline.ports.workspace.Workspace`. A layer is there once it is in the store: a node that goes takes
    none with it. It is brought to a node when something there is to see it."""

    def __init__(self, cluster: Cluster, nodes: Nodes, layers: Layers) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._layers = layers

    def fill(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Into the store."""
        self._layers.keep(layer, FILLED, _chunks(archive), below=None, node="")

    def restore(self, layer: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Into the store; StorageError for what is no saved layer."""
        content = unmarked(archive, layer)
        self._layers.keep(layer, SAVED, itertools.chain((MARK,), _chunks(content)), below=None, node="")

    def save(self, layer: str, below: Sequence[str]) -> Iterator[bytes]:
        """What the store has, where that was saved upon the same layers; else from a node."""
        stored = self._layers.get(layer)
        if stored is not None and stored.kind == SAVED and stored.below in (None, tuple(below)):
            return self._layers.fetch(stored)
        view = View(layer=layer, below=tuple(below))
        mooring = self._home(view)
        self.bring(mooring, view)
        return mooring.session.workspace.save(layer, below)

    def read(self, view: View, patterns: Sequence[str]) -> Iterator[WorkspaceFile]:
        """From the node where the layer is, else beside the manager."""
        mooring = self._home(view)
        self.bring(mooring, view)
        yield from mooring.session.workspace.read(view, patterns)

    def archive(self, view: View, path: str) -> Iterator[bytes]:
        """As `read`."""
        if self._layers.get(view.layer) is None and not view.below and not self._holders(view.layer):
            raise NotFoundError(
                f"the workspace has no folder '{path}'", hint="name a folder that the checkout or a stage has made"
            )
        mooring = self._home(view)
        self.bring(mooring, view)
        return mooring.session.workspace.archive(view, path)

    def bring(self, mooring: Mooring, view: View) -> None:
        """See to it that a node has all layers of a view, but those that nobody has made yet."""
        for layer in (*reversed(view.below), view.layer):
            stored = self._layers.get(layer)
            if stored is not None:
                with mooring.lock:
                    if layer not in mooring.layers:
                        self._put(mooring, stored)

    def keep(self, mooring: Mooring, view: View) -> None:
        """A container has written into a layer on this node: into the store with it."""
        mooring.layers[view.layer] = ""
        content = mooring.session.workspace.save(view.layer, view.below)
        digest = self._layers.keep(view.layer, SAVED, content, below=view.below, node=mooring.node.id)
        mooring.layers[view.layer] = digest

    def _put(self, mooring: Mooring, stored: Stored) -> None:
        content = self._layers.fetch(stored)
        if stored.kind == FILLED:
            mooring.session.workspace.fill(stored.layer, content)
        else:
            mooring.session.workspace.restore(stored.layer, content)
        mooring.layers[stored.layer] = stored.digest

    def _holders(self, layer: str) -> list[Mooring]:
        return [mooring for mooring in self._nodes.moored if layer in mooring.layers]

    def _home(self, view: View) -> Mooring:
        """The node where a view is read with the least to be carried."""
        stored = self._layers.get(view.layer)
        nodes = self._cluster.nodes()
        holders = [mooring for mooring in self._holders(view.layer) if not down(nodes, mooring.node.id)]
        made_there = [mooring for mooring in holders if stored is not None and mooring.node.id == stored.node]
        for mooring in (*made_there, *holders):
            return mooring
        return self._nodes.own()


def _chunks(archive: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    stream = readable(archive)
    while chunk := stream.read(CHUNK):
        yield chunk
