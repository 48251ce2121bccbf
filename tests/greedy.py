"""Clients that take from a server what they can: raw requests over sockets of their own, and a server beside."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

MEGABYTE = 1 << 20
CHUNK = b"100000\r\n" + b"[" * MEGABYTE + b"\r\n"
RUNS = "/api/v1/repositories/shop/web/runs"


async def said(address: str, *parts: bytes, ends: bool = False, patience: float = 60) -> bytes:
    """What comes back, up to the end of the connection, for bytes that are sent and followed by nothing."""
    where = urlsplit(address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    answer = b""

    async def send() -> None:
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
            if ends:
                writer.write_eof()

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(patience):
            with suppress(ConnectionError):
                while part := await reader.read(65536):
                    answer += part
        return answer
    finally:
        sending.cancel()
        writer.close()


def post(path: str, *headers: str) -> bytes:
    kind = "application/json" if path.startswith(("/api/", "/hooks/")) else "application/x-www-form-urlencoded"
    lines = (f"POST {path} HTTP/1.1", "Host: ecluse.example.org", f"Content-Type: {kind}", *headers)
    return "\r\n".join((*lines, "", "")).encode()


SERVER = """
import socket, sys, uvicorn
from pipeline.bootstrap import Application
from pipeline.web.app import build
from pipeline.web.connections import Connection
app = Application({"ECLUSE_HOME": sys.argv[1], "HOME": sys.argv[1]})
app.intake.repositories()
listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(build(app), http=Connection, log_level="error"))
print(listener.getsockname()[1], flush=True)
server.run(sockets=[listener])
"""


@contextmanager
def server_beside(home: Path) -> Iterator[tuple[str, int]]:
    """The address of a server in a process of its own, and the process's id."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(home)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
    finally:
        process.terminate()
        process.wait(30)


def peak_of(process: int) -> int:
    """Bytes of memory that a process has had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) * 1024


ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def crowded(home: Path, *, clients: int, megabytes: int) -> tuple[set[bytes], int]:
    """What so many clients with bodies of that size are answered, and by how many bytes it makes the server grow."""
    with server_beside(home) as (address, process):

        async def all_of(path: str) -> list[bytes]:
            request = post(path, "Transfer-Encoding: chunked")
            return await asyncio.gather(
                *(said(address, request, *[CHUNK] * megabytes, ends=True, patience=300) for _ in range(clients))
            )

        assert b"200" in asyncio.run(said(address, ALIVE))
        before = peak_of(process)
        statuses = {
            answer.split(b" ")[1]
            for path in (RUNS, "/hooks/shop/web")
            for answer in asyncio.run(all_of(path))
            if answer
        }
        assert b"200" in asyncio.run(said(address, ALIVE))
        return statuses, peak_of(process) - before
