"""Whether a provenance is attached to an image: as BuildKit, cosign, GitHub and others attach it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from pipeline.registries.client import RepositoryClient
from pipeline.registries.manifest import Manifest
from pipeline.registries.names import is_digest

PREDICATE: Final = "https://slsa.dev/provenance"
"""How the type of every version of SLSA's provenance begins."""
_ATTESTATION: Final = "attestation-manifest"
_MOST: Final = 50
"""So many attached manifests are looked at."""


def has_provenance(client: RepositoryClient, digest: str) -> bool:
    """Whether some manifest that belongs to this one names a provenance. Who signed it is not looked at.

    Errors that may leave: those of the client.
    """
    for descriptor in islice(_attached(client, digest), _MOST):
        if _names_it(descriptor.get("annotations")):
            return True
        found = client.manifest(str(descriptor["digest"])) if is_digest(descriptor.get("digest")) else None
        if found is not None and _holds_it(found):
            return True
    signed = client.manifest(f"{digest.replace(':', '-')}.att")
    return signed is not None and _holds_it(signed)


def _attached(client: RepositoryClient, digest: str) -> Iterator[Mapping[str, Any]]:
    """What refers to the manifest, and what an index lists as attestations of its images."""
    image = client.manifest(digest)
    for item in _listed(image):
        annotations = item.get("annotations")
        if isinstance(annotations, Mapping) and annotations.get("vnd.docker.reference.type") == _ATTESTATION:
            yield item
    referrers = client.referrers(digest)
    yield from referrers if referrers is not None else _listed(client.manifest(digest.replace(":", "-")))


def _listed(index: Manifest | None) -> Iterator[Mapping[str, Any]]:
    entries = index.document.get("manifests") if index is not None and index.is_index else None
    yield from (item for item in (entries if isinstance(entries, list) else ()) if isinstance(item, dict))


def _holds_it(manifest: Manifest) -> bool:
    layers = manifest.document.get("layers")
    entries = [item for item in (layers if isinstance(layers, list) else ()) if isinstance(item, dict)]
    return any(_names_it(item.get("annotations")) for item in (manifest.document, *entries))


def _names_it(annotations: object) -> bool:
    """The key of the predicate's type is another one with every tool; what it says is the same."""
    return isinstance(annotations, Mapping) and any(
        isinstance(value, str) and value.startswith(PREDICATE) for value in annotations.values()
    )
