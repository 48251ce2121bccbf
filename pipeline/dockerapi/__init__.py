"""One way to reach a Docker Engine, shared by the adapters that speak to one."""

from __future__ import annotations

from pipeline.dockerapi.asking import hijack, output_of, plain_socket, post
from pipeline.dockerapi.connection import Certificates, address, connect, disconnect
from pipeline.dockerapi.context import named_context
from pipeline.dockerapi.faults import status_of, translating
from pipeline.dockerapi.local import LocalClient

__all__ = [
    "Certificates",
    "LocalClient",
    "address",
    "connect",
    "disconnect",
    "hijack",
    "named_context",
    "output_of",
    "plain_socket",
    "post",
    "status_of",
    "translating",
]
