"""Git's own smart HTTP server behind basic authentication: `git http-backend`, called by a small CGI server."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class GitServer:
    """Serves the bare repositories of a folder."""

    port: int
    user: str
    word: str
    elsewhere: str = ""
    """Where requests are sent on to, instead of an answer."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Beginnings of paths that are sent on to others of this server."""
    asked: list[tuple[str, bool, str]] = field(default_factory=list)
    """Path, whether it was let in, and the header Authorization as it came."""

    def url(self, name: str, host: str = "127.0.0.1") -> str:
        """The address of a repository, without a login."""
        return f"http://{host}:{self.port}/{name}"


@contextmanager
def git_server(folder: Path, *, user: str = "", word: str = "", address: str = "127.0.0.1") -> Iterator[GitServer]:
    """A server for as long as the body runs; without a user everybody may read."""
    made = GitServer(port=0, user=user, word=word)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            _answer(self, made, folder)

        do_POST = do_GET  # noqa: N815 - named so by the library

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer((address, 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, server: GitServer, folder: Path) -> None:
    given = request.headers.get("Authorization", "")
    wanted = "Basic " + base64.b64encode(f"{server.user}:{server.word}".encode()).decode()
    allowed = not server.user or given == wanted
    server.asked.append((request.path, allowed, given))
    if server.elsewhere:
        request.send_response(302)
        request.send_header("Location", server.elsewhere + request.path)
        request.end_headers()
        return
    for before, now in server.moved.items():
        if request.path.startswith(before):
            request.send_response(301)
            request.send_header("Location", now + request.path.removeprefix(before))
            request.end_headers()
            return
    if not allowed:
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Basic realm="git"')
        request.end_headers()
        return
    parts = urlsplit(request.path)
    length = int(request.headers.get("Content-Length") or 0)
    variables = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "REQUEST_METHOD": request.command,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(length),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": server.user,
    }
    done = subprocess.run(
        ["git", "http-backend"], env=variables, input=request.rfile.read(length), capture_output=True, check=False
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n") if b": " in line)
    request.send_response(int(headers.pop("Status", "200").split()[0]))
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
