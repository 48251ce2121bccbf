"""Manifests and indexes: their bytes, and what they name. The bytes are what counts; they are never written anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import RegistryError
from pipeline.registries.names import is_digest

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEXES: Final = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS: Final = (
    OCI_MANIFEST,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What one manifest says of another, or of a blob."""

    digest: str
    size: int
    media_type: str
    elsewhere: bool = False
    """It may lie at other addresses and not in the registry (layers that may not be distributed)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest or an index as its registry gave it."""

    body: bytes
    media_type: str
    document: Mapping[str, Any]

    @classmethod
    def parse(cls, body: bytes, content_type: str, *, what: str) -> Manifest:
        """RegistryError for anything that is neither an image's manifest nor an index."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise RegistryError(f"cannot {what}: what came is no manifest", hint="is this address a registry?")
        media_type = str(document.get("mediaType") or content_type.partition(";")[0].strip())
        if media_type not in (*INDEXES, *MANIFESTS):
            raise RegistryError(
                f"cannot {what}: it is of the kind '{media_type[:80]}', which cannot be copied",
                hint="build and push the image with a newer docker",
            )
        return cls(body=body, media_type=media_type, document=document)

    @property
    def digest(self) -> str:
        """Of its bytes."""
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.media_type in INDEXES

    @property
    def subject(self) -> str:
        """Digest of the manifest that it refers to, or ""."""
        subject = self.document.get("subject")
        return str(subject.get("digest", "")) if isinstance(subject, dict) else ""

    @property
    def descriptor(self) -> Mapping[str, Any]:
        """How an index of referrers lists it."""
        config = self.document.get("config")
        kind = self.document.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else "")
        annotations = self.document.get("annotations")
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.body),
            **({"artifactType": kind} if kind else {}),
            **({"annotations": annotations} if annotations else {}),
        }

    def manifests(self) -> tuple[Descriptor, ...]:
        """Those that an index lists."""
        return tuple(self._all("manifests")) if self.is_index else ()

    def blobs(self) -> tuple[Descriptor, ...]:
        """Configuration and layers, each once."""
        if self.is_index:
            return ()
        found = [*self._all("config"), *self._all("layers"), *self._all("blobs")]
        return tuple({item.digest: item for item in found}.values())

    def _all(self, key: str) -> Iterator[Descriptor]:
        listed = self.document.get(key)
        for item in listed if isinstance(listed, list) else [listed] if listed is not None else []:
            digest = item.get("digest") if isinstance(item, dict) else None
            size = item.get("size") if isinstance(item, dict) else None
            if not is_digest(digest) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise RegistryError(
                    f"the manifest {short(self.digest)} names something in '{key}' without digest or size"
                )
            kind = str(item.get("mediaType", ""))
            elsewhere = bool(item.get("urls")) or "nondistributable" in kind or "foreign" in kind
            yield Descriptor(digest=str(digest), size=size, media_type=kind, elsewhere=elsewhere)


def index_of(descriptors: Iterator[Mapping[str, Any]] | list[Mapping[str, Any]]) -> Manifest:
    """An index that lists these: the tag by which registries without a list of referrers keep them."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(descriptors)}
    body = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    return Manifest(body=body, media_type=OCI_INDEX, document=document)


def short(digest: str) -> str:
    """The digest as people read it."""
    return digest[: len("sha256:") + 12]
