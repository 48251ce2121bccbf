"""What a container has written, as its engine keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating

if TYPE_CHECKING:
    from docker import APIClient


def container_log(client: APIClient, container: str, *, since: datetime | None, limit: int) -> bytes:
    """The newest `limit` bytes of what it has written since then, both streams; nothing where it is gone."""
    import docker.errors

    kept = b""
    with translating(f"read the log of container {container[:12]}"):
        try:
            moment = None if since is None else since.timestamp()
            for chunk in client.logs(container, stream=True, follow=False, since=moment):
                kept = (kept + chunk)[-limit:]
        except docker.errors.NotFound:
            return b""
    return kept
