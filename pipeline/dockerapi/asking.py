"""A plain request to an engine, whichever client leads there."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi.local import JSON, Hijacked, LocalClient

if TYPE_CHECKING:
    from docker import APIClient

FRAME = 8
"""Bytes before each piece of output: which stream, three zeros, and the length in four."""


def post(client: APIClient | LocalClient, path: str, body: object, **params: object) -> Any:
    """The JSON answer to a POST (the docker client's own calls know too little). Raises the docker client's errors."""
    if isinstance(client, LocalClient):
        return client.ask("POST", path, params=params, body=body)
    sdk: Any = client
    return sdk._result(sdk._post_json(sdk._url(path), data=body, params=params), json=True)


def hijack(client: APIClient | LocalClient, path: str, *, body: object = None, **params: object) -> Hijacked:
    """POST, then speak raw over the same connection, without a limit of time. Raises the docker client's errors."""
    if isinstance(client, LocalClient):
        return client.hijack(path, params, body)
    sdk: Any = client
    headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
    response = sdk._post(
        sdk._url(path),
        params=params,
        data=None if body is None else json.dumps(body),
        headers=headers if body is None else headers | JSON,
        stream=True,
        timeout=None,
    )
    return Hijacked(socket=plain_socket(client, response), source=response.raw._fp.fp, close=response.close)


def output_of(client: APIClient | LocalClient, command: str) -> Iterator[bytes]:
    """Start a command that was made in a container (its id), and give both its outputs to their end.

    The docker client's own `exec_start` loses what arrives together with the head of the answer: it reads the socket
    below the buffer that the head was read into. Raises the docker client's errors.
    """
    stream = hijack(client, f"/exec/{command}/start", body={"Detach": False, "Tty": False})
    try:
        while len(head := stream.source.read(FRAME)) == FRAME:
            yield stream.source.read(int.from_bytes(head[4:], "big"))
    finally:
        stream.close()


def plain_socket(client: Any, response: Any) -> socket.socket:
    """The socket below a streamed response of the docker client."""
    raw = client._get_raw_response_socket(response)
    plain: socket.socket = getattr(raw, "_sock", raw)
    plain.settimeout(None)
    return plain
