"""What a session asks of a workspace beyond its port: a way into a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.model.container import View
from pipeline.ports.workspace import Workspace


class Layers(Workspace, Protocol):
    """Overlay or copy. Errors that may leave: EngineError and kin, DiskFullError, StorageError."""

    @property
    def name(self) -> str:
        """overlay | copy"""

    def mount(self, view: View) -> Mapping[str, Any]:
        """What a container that sees this view must mount; made here when it is not there."""

    def enter(self, view: View, container: str) -> None:
        """Called right before a created container starts, when all layers below are final."""

    def leave(self, view: View, container: str) -> None:
        """Called when a container has ended, before it is removed."""

    def early(self, view: View) -> bool:
        """Whether a container for this view can be created before the layers below are final."""

    def close(self) -> None:
        """Drop what is kept on this machine; what is on the engine goes by its labels."""
