"""A small question to an engine behind a local socket, without the client: importing that takes longer than a plan."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import quote

from pipeline.dockerapi.connection import address
from pipeline.settings import Settings

_PREFIX = "unix://"
_WITHIN = 5.0
"""Seconds for the whole answer."""
_MOST = 16 << 20


class NoAnswerError(Exception):
    """Nobody answers there, or not in a way that we understand."""


def is_local(settings: Settings) -> bool:
    """Whether the engine listens on a socket of this machine, so that it can be asked this way."""
    return address(settings).startswith(_PREFIX)


def ask(settings: Settings, path: str) -> Any:
    """The JSON answer to GET `path` (`/images/busybox:1/json`); None for 404. Raises NoAnswerError."""
    place = address(settings).removeprefix(_PREFIX)
    request = f"GET /v1.41{quote(path, safe='/:@')} HTTP/1.0\r\nHost: engine\r\n\r\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_WITHIN)
            connection.connect(place)
            connection.sendall(request.encode())
            answer = _all(connection)
    except OSError as error:
        raise NoAnswerError(f"{place}: {error}") from error
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = words[1] if len(words) > 1 else b""
    if status == b"404":
        return None
    if status != b"200":
        raise NoAnswerError(f"{place}: status {status.decode(errors='replace') or 'missing'}")
    try:
        return json.loads(_unchunked(body) if b"transfer-encoding: chunked" in head.lower() else body)
    except ValueError as error:
        raise NoAnswerError(f"{place}: {error}") from error


def _all(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := connection.recv(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _MOST:
            raise OSError("the answer is too long")
    return b"".join(parts)


def _unchunked(body: bytes) -> bytes:
    """RFC 9112, 7.1: an engine may answer so even to HTTP/1.0."""
    parts: list[bytes] = []
    while body:
        line, _, body = body.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if not size:
            break
        parts.append(body[:size])
        body = body[size + 2 :]
    return b"".join(parts)
