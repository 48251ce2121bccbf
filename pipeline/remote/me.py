"""Who we are to a server."""

from __future__ import annotations

from pipeline.operations.access.me import Me, Reach
from pipeline.remote.connection import Connection
from pipeline.remote.servers import KnownServer

__all__ = ["Me", "Reach", "who_at"]


def who_at(server: KnownServer) -> Me:
    """What the server says of whoever holds this token."""
    return Connection(server).noun(Me, "me")
