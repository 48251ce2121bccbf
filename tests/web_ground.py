"""A real server of the pages and webhooks, in a thread of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from pipeline.ports.application import Application
from pipeline.web.app import build
from pipeline.web.connections import Connection


@contextmanager
def web_server(application: Application, *, port: int = 0) -> Iterator[str]:
    """Its address, for as long as the body runs; it answers from the first moment on. Port 0 = any free one."""
    config = uvicorn.Config(build(application), host="127.0.0.1", port=port, http=Connection, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="web", daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the server ended while it started"
    bound = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{bound}"
    finally:
        server.should_exit = True
        thread.join(30)
