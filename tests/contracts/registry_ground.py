"""Images made by hand, put into a real registry by plain requests, and what is there afterwards."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EVERY = f"{INDEX}, {MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def descriptor(body: bytes, kind: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(body), "size": len(body), **more}


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A repository of a registry by plain requests."""

    registry: str
    path: str
    login: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.path}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = path if path.startswith("http") else f"http://{self.registry}/v2/{self.path}/{path}"
        request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))
        if self.login:
            word = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_header("Authorization", f"Basic {word}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def blob(self, body: bytes) -> bytes:
        status, headers, _ = self.ask("POST", "blobs/uploads/", b"")
        assert status == 202
        place = headers["Location"] + ("&" if "?" in headers["Location"] else "?") + f"digest={digest(body)}"
        status, _, _ = self.ask(
            "PUT",
            place,
            body,
            {"Content-Type": "application/octet-stream"},
        )
        assert status == 201
        return body

    def manifest(self, document: Mapping[str, Any], *, tag: str = "") -> bytes:
        body = json.dumps(document, indent=3).encode()  # an unusual spelling, which has to stay
        status, _, said = self.ask(
            "PUT", f"manifests/{tag or digest(body)}", body, {"Content-Type": document["mediaType"]}
        )
        assert status == 201, said
        return body

    def image(self, name: str, *, layers: Sequence[bytes] = (), docker: bool = False, **more: Any) -> bytes:
        """A manifest with a configuration and layers of its own."""
        config = self.blob(json.dumps({"name": name}).encode())
        parts = [self.blob(item) for item in (layers or (f"layer of {name}".encode(), b"shared layer"))]
        kind = DOCKER_MANIFEST if docker else MANIFEST
        return self.manifest(
            {
                "schemaVersion": 2,
                "mediaType": kind,
                "config": descriptor(config, CONFIG),
                "layers": [descriptor(item, LAYER) for item in parts],
                **more,
            }
        )

    def index(self, *manifests: bytes, kind: str = INDEX, tag: str = "") -> bytes:
        listed = [descriptor(item, json.loads(item)["mediaType"]) for item in manifests]
        return self.manifest({"schemaVersion": 2, "mediaType": kind, "manifests": listed}, tag=tag)

    def evidence(self, subject: bytes, what: str, *, listed: Sequence[bytes] = ()) -> bytes:
        """Something that refers to a manifest, with the tag that lists it."""
        made = self.image(what, subject=descriptor(subject, json.loads(subject)["mediaType"]), artifactType=f"x/{what}")
        self.index(*listed, made, tag=digest(subject).replace(":", "-"))
        return made

    def get(self, reference: str) -> bytes | None:
        status, _, body = self.ask("GET", f"manifests/{reference}", headers={"Accept": EVERY})
        return body if status == 200 else None

    def has_blob(self, wanted: str) -> bool:
        return self.ask("HEAD", f"blobs/{wanted}")[0] == 200

    def complete(self, reference: str) -> bool:
        """Whether a manifest and all that it names are there, to the last byte."""
        body = self.get(reference)
        if body is None or (reference.startswith("sha256:") and digest(body) != reference):
            return False
        document = json.loads(body)
        blobs = [*([document["config"]] if "config" in document else []), *document.get("layers", ())]
        return all(self.complete(item["digest"]) for item in document.get("manifests", ())) and all(
            digest(self.ask("GET", f"blobs/{item['digest']}")[2]) == item["digest"] for item in blobs
        )
