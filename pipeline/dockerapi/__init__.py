"""One way to reach a Docker Engine, shared by the adapters that speak to one."""

from __future__ import annotations

from pipeline.dockerapi.connection import address, connect
from pipeline.dockerapi.context import named_context
from pipeline.dockerapi.faults import translating

__all__ = ["address", "connect", "named_context", "translating"]
