"""A small registry over real HTTP that keeps the protocol, and breaks it on order."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Store:
    """What a registry has: `repository/reference` to manifests and blobs. `faults` answer in its place."""

    def __init__(self) -> None:
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.authorizations: list[str] = []
        self.token = ""
        """Where it is set, requests must carry it, and `/token` gives it to `login`."""
        self.login = ""
        self.keeps_referrers = False
        self.faults: dict[str, Callable[[Any], bool]] = {}
        """Beginning of `METHOD path` to what answers; false lets the registry itself answer."""
        self.address = ""

    def image(self, repository: str, *layers: bytes, **more: Any) -> bytes:
        config = json.dumps({"layers": len(layers)}).encode()
        for body in (config, *layers):
            self.blobs[f"{repository}/{digest(body)}"] = body
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config),
                       "size": len(config)},
            "layers": [{"mediaType": "x", "digest": digest(body), "size": len(body)} for body in layers],
            **more,
        }  # fmt: skip
        return self.put(repository, document)

    def put(self, repository: str, document: dict[str, Any], *, tag: str = "") -> bytes:
        body = json.dumps(document).encode()
        self.manifests[f"{repository}/{tag or digest(body)}"] = (document["mediaType"], body)
        self.manifests[f"{repository}/{digest(body)}"] = (document["mediaType"], body)
        return body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_GET  # noqa: N815 - the names that http.server calls
    do_PUT = do_GET  # noqa: N815
    do_POST = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        store = self.store
        asked = f"{self.command} {self.path}"
        store.asked.append(asked)
        store.authorizations.append(self.headers.get("Authorization", ""))
        for begin, fault in list(store.faults.items()):
            if asked.startswith(begin) and fault(self):
                return
        parts = urlsplit(self.path)
        if parts.path == "/token":
            self._token(parts.query)
        elif store.token and self.headers.get("Authorization") != f"Bearer {store.token}":
            challenge = f'Bearer realm="{store.address}/token",service="here",scope="repository:x:pull"'
            self.answer(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "log in"}]}', WWW_Authenticate=challenge)
        else:
            self._registry(parts.path.removeprefix("/v2/"), parse_qs(parts.query))

    def _token(self, query: str) -> None:
        basic = "Basic " + base64.b64encode(self.store.login.encode()).decode()
        if self.headers.get("Authorization") == basic:
            self.answer(200, json.dumps({"token": self.store.token}).encode())
        else:
            self.answer(401, b"{}")

    def _registry(self, path: str, query: dict[str, list[str]]) -> None:
        store = self.store
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/blobs/uploads/" in path:
            repository = path.partition("/blobs/")[0]
            if self.command == "POST" and "mount" in query:
                key = f"{query['from'][0]}/{query['mount'][0]}"
                if key in store.blobs:
                    store.blobs[f"{repository}/{query['mount'][0]}"] = store.blobs[key]
                    self.answer(201)
                    return
            if self.command == "POST":
                self.answer(202, Location=f"/v2/{repository}/blobs/uploads/1?state=a")
            elif self.command == "PUT":
                right = digest(body) == query["digest"][0]
                if right:
                    store.blobs[f"{repository}/{digest(body)}"] = body
                self.answer(201 if right else 400)
            else:
                self.answer(204)
        elif "/blobs/" in path:
            found = store.blobs.get(path.replace("/blobs/", "/"))
            self.answer(404 if found is None else 200, found or b"")
        elif "/manifests/" in path:
            key = path.replace("/manifests/", "/")
            if self.command == "PUT":
                store.manifests[key] = (self.headers["Content-Type"], body)
                store.manifests[f"{key.rpartition('/')[0]}/{digest(body)}"] = (self.headers["Content-Type"], body)
                self.answer(201, Docker_Content_Digest=digest(body))
            else:
                kind, found = store.manifests.get(key, ("", None))
                self.answer(404 if found is None else 200, found or b"", Content_Type=kind or "text/plain")
        elif "/referrers/" in path and store.keeps_referrers:
            repository, _, subject = path.partition("/referrers/")
            listed = [
                {"mediaType": kind, "digest": digest(item), "size": len(item)}
                for key, (kind, item) in store.manifests.items()
                if key.startswith(f"{repository}/sha256:")
                and json.loads(item).get("subject", {}).get("digest") == subject
            ]
            self.answer(200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode())
        else:
            self.answer(404)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Quiet: connections break off on order."""


@contextmanager
def serving() -> Iterator[Store]:
    """A registry of its own on a loopback port."""
    store = Store()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"store": store}))
    store.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
