"""Images that a run has built beside the manager's engine and pushed nowhere: nodes get them from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.executors.swarm.nodes import Mooring

if TYPE_CHECKING:
    from docker import APIClient


def hand_over(manager: APIClient, mooring: Mooring, image: str) -> bool:
    """Copy an image to a node that lacks it, where only the manager's engine can give it; whether that was done.

    What a registry has, the node fetches there. Raises EngineError and kin.
    """
    with mooring.lock:
        if image in mooring.images:
            return False
        if _facts(mooring.client, image) is None:
            own = _facts(manager, image)
            if own is not None and not own.get("RepoDigests"):
                source: Any = manager
                sink: Any = mooring.client
                with translating(f"hand image {image} to node {mooring.node.name}"):
                    sink.load_image(source.get_image(image))
                mooring.images.add(image)
                return True
        mooring.images.add(image)
        return False


def _facts(client: Any, image: str) -> Any:
    import docker.errors

    with translating(f"look for image {image}"):
        try:
            return client.inspect_image(image)
        except docker.errors.NotFound:
            return None
