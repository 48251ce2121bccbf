"""One repository of a registry by the OCI distribution protocol: manifests, blobs, tags, referrers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pipeline.errors import EcluseError, RegistryBusyError, RegistryError
from pipeline.ports.cancellation import Cancellation
from pipeline.registries.access import Access
from pipeline.registries.faults import reaching
from pipeline.registries.manifest import INDEXES, MANIFESTS, Manifest, short
from pipeline.registries.names import Repository

MANIFEST_LIMIT = 4 << 20
"""Bytes: what every registry takes."""
COMMITTING = 900.0
"""Seconds that a registry may take to store a blob that it has: some move it to another storage first."""
_PAGES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """What a manifest says of a configuration or layer."""

    digest: str
    size: int


class BlobStream:
    """The bytes of a blob on their way: counted and digested, so that a cut or changed one never ends well."""

    def __init__(self, source: Any, blob: Blob, *, registry: str, cancel: Cancellation) -> None:
        self._source = source
        self._blob = blob
        self._registry = registry
        self._cancel = cancel
        self._digest = hashlib.sha256()
        self._read = 0

    def __len__(self) -> int:
        return self._blob.size

    def read(self, size: int = -1) -> bytes:
        """The next bytes; the last ones only where all of it was right."""
        self._cancel.check()
        left = self._blob.size - self._read
        what = f"read {short(self._blob.digest)}"
        with reaching(self._registry, what):
            chunk: bytes = self._source.raw.read(min(size if size > 0 else 1 << 16, left)) if left else b""
        self._read += len(chunk)
        self._digest.update(chunk)
        if not chunk and left:
            raise RegistryBusyError(
                f"cannot {what}: {self._registry} broke off after {self._read} of {self._blob.size} bytes",
                hint="the same may pass later; what was copied is not moved again",
            )
        if self._read == self._blob.size and f"sha256:{self._digest.hexdigest()}" != self._blob.digest:
            raise RegistryError(
                f"{self._registry} has other bytes than {short(self._blob.digest)} under this digest",
                hint="its storage is damaged, or somebody changed the bytes on their way",
            )
        return chunk


class RepositoryClient:
    """One repository. `scopes` of a request are what the login must allow for it."""

    def __init__(self, access: Access, repository: Repository) -> None:
        self._access = access
        self.repository = repository
        self._path = f"/v2/{repository.path}"
        self._pull = f"repository:{repository.path}:pull"
        self._push = f"repository:{repository.path}:pull,push"

    def manifest(self, reference: str) -> Manifest | None:
        """A manifest by tag or digest; None where there is none. Its bytes are those of the digest."""
        what = f"read {self.repository}{_at(reference)}"
        response = self._access.ask(
            "GET",
            f"{self._path}/manifests/{reference}",
            what=what,
            scopes=(self._pull,),
            expected=(200, 404),
            headers={"Accept": ", ".join((*INDEXES, *MANIFESTS))},
            follow=True,
        )
        with response:
            if response.status_code == 404:
                return None
            with reaching(self.repository.registry, what):
                body = response.raw.read(MANIFEST_LIMIT + 1, decode_content=True)
            kind = response.headers.get("Content-Type", "")
        if len(body) > MANIFEST_LIMIT:
            raise RegistryError(f"cannot {what}: the manifest is larger than {MANIFEST_LIMIT >> 20} MiB")
        found = Manifest.parse(body, kind, what=what)
        if reference.startswith("sha256:") and found.digest != reference:
            raise RegistryError(
                f"{self.repository.registry} has other bytes than {short(reference)} under this digest",
                hint="its storage is damaged, or somebody changed the bytes on their way",
            )
        return found

    def put_manifest(self, manifest: Manifest, *, reference: str) -> None:
        """Store it under a tag or its digest, byte for byte."""
        what = f"write {self.repository}{_at(reference)}"
        response = self._access.ask(
            "PUT",
            f"{self._path}/manifests/{reference}",
            what=what,
            scopes=(self._push,),
            expected=(200, 201, 202),
            headers={"Content-Type": manifest.media_type},
            data=manifest.body,
        )
        with response:
            answered = response.headers.get("Docker-Content-Digest", manifest.digest)
        if answered != manifest.digest:
            raise RegistryError(
                f"{self.repository.registry} keeps {short(manifest.digest)} as {short(answered)}",
                hint="it changes manifests that are pushed to it, so signatures of them would not hold",
            )

    def has_blob(self, digest: str) -> bool:
        """Whether the repository has it."""
        response = self._access.ask(
            "HEAD",
            f"{self._path}/blobs/{digest}",
            what=f"look for {short(digest)} in {self.repository}",
            scopes=(self._pull,),
            expected=(200, 404),
            follow=True,
        )
        with response:
            return response.status_code == 200

    def open_blob(self, blob: Blob, *, cancel: Cancellation) -> tuple[Any, BlobStream]:
        """The response (to be closed) and the stream of a blob."""
        what = f"read {short(blob.digest)} of {self.repository}"
        response = self._access.ask(
            "GET",
            f"{self._path}/blobs/{blob.digest}",
            what=what,
            scopes=(self._pull,),
            expected=(200,),
            headers={"Accept-Encoding": "identity"},
            follow=True,
        )
        return response, BlobStream(response, blob, registry=self.repository.registry, cancel=cancel)

    def mount(self, digest: str, source: Repository) -> tuple[bool, str]:
        """Take a blob over from another repository of this registry: whether it did, else where to upload it."""
        response = self._begin({"mount": digest, "from": source.path}, source)
        with response:
            return response.status_code == 201, response.headers.get("Location", "")

    def upload(self, stream: BlobStream, digest: str, *, location: str = "") -> None:
        """Store a blob, to the place that `mount` gave or to a new one. Nothing is left of one that breaks off."""
        if not location:
            with self._begin({}, None) as response:
                location = response.headers.get("Location", "")
        what = f"write {short(digest)} to {self.repository}"
        if not location:
            raise RegistryError(f"cannot {what}: {self.repository.registry} does not say where to")
        try:
            self._access.ask(
                "PUT",
                f"{location}{'&' if '?' in location else '?'}digest={digest}",
                what=what,
                scopes=(self._push,),
                expected=(201, 204),
                headers={"Content-Type": "application/octet-stream"},
                data=stream,
                patience=COMMITTING,
            ).close()
        except BaseException:
            with suppress(EcluseError):
                self._access.ask("DELETE", location, what=what, scopes=(self._push,), expected=(204, 404)).close()
            raise

    def referrers(self, digest: str) -> Sequence[Mapping[str, Any]] | None:
        """Descriptors of what refers to a manifest; None where the registry does not keep them."""
        what = f"ask what refers to {short(digest)} in {self.repository}"
        path, found = f"{self._path}/referrers/{digest}", []
        for _ in range(_PAGES):
            response = self._access.ask("GET", path, what=what, scopes=(self._pull,), expected=(200, 400, 404, 405))
            with response:
                if response.status_code != 200:
                    return None
                with reaching(self.repository.registry, what):
                    body = response.raw.read(MANIFEST_LIMIT + 1, decode_content=True)
                path = response.links.get("next", {}).get("url", "")
            try:
                listed = json.loads(body)["manifests"]
                found += [item for item in listed if isinstance(item, dict)]
            except (ValueError, TypeError, KeyError, RecursionError):
                return None  # a web page instead of an index, as some registries of before have it
            if not path:
                break
        return found

    def _begin(self, query: Mapping[str, str], source: Repository | None) -> Any:
        scopes = (self._push,) if source is None else (self._push, f"repository:{source.path}:pull")
        return self._access.ask(
            "POST",
            f"{self._path}/blobs/uploads/" + (f"?{urlencode(query)}" if query else ""),
            what=f"write to {self.repository}",
            scopes=scopes,
            expected=(201, 202),
            data=b"",
        )


def _at(reference: str) -> str:
    return f"@{short(reference)}" if reference.startswith("sha256:") else f":{reference}"
