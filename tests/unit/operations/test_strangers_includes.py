"""Includes of an untrusted run: nobody in this network is asked, and nobody is followed elsewhere."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from environment.certificates import Authority

from pipeline.errors import EcluseError, UsageError
from pipeline.operations.include_mirror import IncludeMirror

COMMIT = "a" * 40


@contextmanager
def https(folder: Path, *, onward: str = "") -> Iterator[tuple[int, list[str]]]:
    """A server with a certificate that sends everybody `onward`; its port, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302 if onward else 404)
            if onward:
                self.send_header("Location", onward + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    identity = Authority(folder, folder.name).server("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def mirror(home: Path, *, credentials: bool, private_hosts: tuple[str, ...] = ()) -> IncludeMirror:
    return IncludeMirror(home, protocols=frozenset({"https"}), credentials=credentials, private_hosts=private_hosts)


def test_nobody_in_this_network_is_asked(tmp_path: Path) -> None:
    with https(tmp_path / "tls") as (port, asked):
        strangers = mirror(tmp_path, credentials=False)
        url = f"https://127.0.0.1:{port}/lib.git"
        for ask in (lambda: strangers.resolve(url, "main"), lambda: strangers.content(url, COMMIT, "a.yml", limit=9)):
            with pytest.raises(UsageError, match=r"by an untrusted run: 127.0.0.1 is in a private network") as raised:
                ask()
            assert "private_hosts" in raised.value.hint
        assert not asked


def test_nobody_is_followed_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        https(tmp_path / "inner") as (inner, secrets),
        https(tmp_path / "outer", onward=f"https://127.0.0.1:{inner}") as (outer, asked),
    ):
        bundle = tmp_path / "bundle.pem"
        bundle.write_bytes((tmp_path / "inner/ca.pem").read_bytes() + (tmp_path / "outer/ca.pem").read_bytes())
        monkeypatch.setenv("GIT_SSL_CAINFO", str(bundle))
        url = f"https://127.0.0.1:{outer}/lib.git"
        with pytest.raises(EcluseError):
            mirror(tmp_path, credentials=False, private_hosts=(f"127.0.0.1:{outer}",)).resolve(url, "main")
        assert asked
        assert not secrets
        with pytest.raises(EcluseError):
            mirror(tmp_path, credentials=True).resolve(url, "main")
        assert secrets, "the second server could have been reached"
