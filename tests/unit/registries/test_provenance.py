"""A provenance is found however it was attached, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import INDEX, MANIFEST, Store, digest, serving

from pipeline.errors import EcluseError
from pipeline.registries.registry import OciRegistry
from pipeline.settings import Settings

SLSA = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"
BLOB = b"{}"


def attestation(predicate: str, key: str = "in-toto.io/predicate-type", **more: Any) -> dict[str, Any]:
    layer = {
        "mediaType": "application/vnd.in-toto+json",
        "digest": digest(BLOB),
        "size": 2,
        "annotations": {key: predicate},
    }
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(BLOB), "size": 2}
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], **more}


def descriptor(body: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": json.loads(body)["mediaType"], "digest": digest(body), "size": len(body), **more}


def bare(store: Store, _predicate: str) -> str:
    return digest(store.image("shop", b"layer"))


def by_buildkit(store: Store, predicate: str) -> str:
    image = store.image("shop", b"layer")
    attached = store.put("shop", attestation(predicate))
    marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest(image)}
    manifests = [descriptor(image), descriptor(attached, annotations=marks)]
    return digest(store.put("shop", {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))


def by_cosign(store: Store, predicate: str) -> str:
    image = digest(store.image("shop", b"layer"))
    store.put("shop", attestation(predicate, key="predicateType"), tag=f"{image.replace(':', '-')}.att")
    return image


def by_referrer(store: Store, predicate: str) -> str:
    store.keeps_referrers = True
    image = store.image("shop", b"layer")
    store.put("shop", attestation(predicate, subject=descriptor(image)))
    return digest(image)


def by_tag(store: Store, predicate: str) -> str:
    image = store.image("shop", b"layer")
    attached = store.put("shop", attestation("?", subject=descriptor(image)))
    listed = descriptor(attached, annotations={"dev.sigstore.bundle.predicateType": predicate})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}
    store.put("shop", index, tag=digest(image).replace(":", "-"))
    return digest(image)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as found:
        yield found


@pytest.mark.parametrize("attach", [by_buildkit, by_cosign, by_referrer, by_tag])
@pytest.mark.parametrize(
    ("predicate", "found"), [(SLSA, True), ("https://slsa.dev/provenance/v0.2", True), (SPDX, False)]
)
def test_how_it_is_attached(
    store: Store, tmp_path: Path, attach: Callable[[Store, str], str], predicate: str, found: bool
) -> None:
    image = f"{store.address.removeprefix('http://')}/shop@{attach(store, predicate)}"
    assert OciRegistry(Settings(home=tmp_path)).has_provenance(image) is found


def test_none(store: Store, tmp_path: Path) -> None:
    registry, place = OciRegistry(Settings(home=tmp_path)), store.address.removeprefix("http://")
    assert not registry.has_provenance(f"{place}/shop@{bare(store, '')}")
    with pytest.raises(EcluseError):
        registry.has_provenance(f"{place}/shop:latest")
