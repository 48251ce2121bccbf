"""Runs beside the manager's engine, once a connection: carries standard input and output to a node's door. Stands
alone but for `node_carry`, whose text goes before it."""

from __future__ import annotations

import socket
import ssl
import sys

from pipeline.executors.swarm.node_carry import FramedEnd, PipeEnd, carry

PATIENCE = 15.0


def main(address: str, port: str, credentials: str, name: str) -> None:
    """Call, prove who we are, and carry bytes until the door has said all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(credentials)
    context.load_verify_locations(credentials)
    with (
        socket.create_connection((address, int(port)), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        carry(PipeEnd(), FramedEnd(secure))


if __name__ == "__main__":
    main(*sys.argv[1:])
