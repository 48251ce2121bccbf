"""Copies between real registries: one without login, one with, both without a list of referrers."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from environment.servers import free_port
from registry_ground import CONFIG, DOCKER_LIST, MANIFEST, Raw, descriptor, digest

from pipeline.errors import CancelledError, ImageNotFoundError, RegistryBusyError, RegistryError, UsageError
from pipeline.ports.cancellation import Cancellation
from pipeline.registries.registry import OciRegistry
from pipeline.settings import Settings


class Images(Protocol):
    """The fixture `images`."""

    busybox: str


class WithLogin(Protocol):
    """The fixture `registry_with_login`."""

    address: str
    user: str
    password: str


class Yard:
    """Repositories of both registries, and a copier that knows the login."""

    def __init__(self, home: Path, registry: str, other: WithLogin) -> None:
        self.copier = OciRegistry(Settings(home=home))
        self._registry = registry
        self._other = other
        self.said: list[str] = []

    def open(self) -> Raw:
        return Raw(registry=self._registry, path=f"copying/{uuid4().hex}")

    def closed(self) -> Raw:
        return Raw(
            registry=self._other.address, path=f"copying/{uuid4().hex}", login=(self._other.user, self._other.password)
        )

    def copy(self, body: bytes, source: Raw, target: Raw, *, cancel: Cancellation | None = None) -> str:
        self.said.clear()
        return self.copier.copy(
            f"{source.name}@{digest(body)}",
            target.name,
            progress=self.said.append,
            cancel=cancel or Cancellation(),
        )


@pytest.fixture
def yard(
    tmp_home: Path,
    tmp_path: Path,
    registry: str,
    registry_with_login: WithLogin,
    monkeypatch: pytest.MonkeyPatch,
) -> Yard:
    word = base64.b64encode(f"{registry_with_login.user}:{registry_with_login.password}".encode()).decode()
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {registry_with_login.address: {"auth": word}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return Yard(tmp_home, registry, registry_with_login)


def plain(source: Raw) -> bytes:
    return source.image("amd64")


def docker(source: Raw) -> bytes:
    return source.index(source.image("amd64", docker=True), source.image("arm64", docker=True), kind=DOCKER_LIST)


def nested(source: Raw) -> bytes:
    return source.index(source.index(source.image("amd64"), source.image("arm64")), source.image("s390x"))


def empty(source: Raw) -> bytes:
    return source.image("empty", layers=[b"", b"x"])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(plain, id="one-platform"),
        pytest.param(docker, id="list-of-docker"),
        pytest.param(nested, id="index-in-an-index"),
        pytest.param(empty, id="empty-layer"),
    ],
)
@pytest.mark.parametrize("way", ["within", "into-login", "out-of-login"])
def test_all_of_an_image_arrives_under_the_same_digest(yard: Yard, make: Callable[[Raw], bytes], way: str) -> None:
    source = yard.closed() if way == "out-of-login" else yard.open()
    target = yard.closed() if way == "into-login" else yard.open()
    body = make(source)
    assert yard.copy(body, source, target) == f"{target.name}@{digest(body)}"
    assert target.complete(digest(body))
    assert target.get(digest(body)) == body
    said = yard.said[-1]
    assert ("mounted" in said, "moved" in said) == ((True, False) if way == "within" else (False, True))


def test_what_is_there_is_not_moved_again(yard: Yard) -> None:
    source, target = yard.open(), yard.closed()
    first = source.image("first")
    yard.copy(first, source, target)
    assert yard.said[-1].endswith("1 manifest; blobs: 3 moved (43 B)")
    second = source.index(first, source.image("second"))
    yard.copy(second, source, target)
    assert yard.said[-1].endswith("3 manifests; blobs: 3 there already, 2 moved (33 B)")
    yard.copy(second, source, target)
    assert yard.said[-1].endswith("3 manifests; blobs: 5 there already")


def test_evidence_comes_along_and_is_listed(yard: Yard) -> None:
    source, target = yard.open(), yard.closed()
    platform = source.image("amd64")
    body = source.index(platform)
    sbom = source.evidence(body, "sbom")
    signature = source.evidence(sbom, "signature-of-the-sbom")
    scan = source.evidence(platform, "scan")
    source.manifest(json.loads(source.image("cosign")), tag=f"{digest(platform).replace(':', '-')}.sig")

    theirs = target.image("theirs", subject=descriptor(body, MANIFEST))
    target.index(theirs, tag=digest(body).replace(":", "-"))
    yard.copy(body, source, target)
    for item in (body, sbom, signature, scan):
        assert target.complete(digest(item))
    listed = json.loads(target.get(digest(body).replace(":", "-")) or b"{}")["manifests"]
    assert [item["digest"] for item in listed] == [digest(theirs), digest(sbom)]
    assert listed[1]["artifactType"] == "x/sbom"
    assert target.complete(digest(sbom).replace(":", "-"))
    assert target.complete(f"{digest(platform).replace(':', '-')}.sig")
    assert "6 manifests, 4 of evidence" in yard.said[-1]

    before = target.get(digest(body).replace(":", "-"))
    yard.copy(body, source, target)
    assert target.get(digest(body).replace(":", "-")) == before


def test_a_signature_that_only_the_target_has_stays(yard: Yard) -> None:
    source, target = yard.open(), yard.open()
    body = source.image("amd64")
    tag = f"{digest(body).replace(':', '-')}.sig"
    source.manifest(json.loads(source.image("s", layers=[b"one"])), tag=tag)
    target.manifest(json.loads(target.image("s", layers=[b"one", b"two"])), tag=tag)
    yard.copy(body, source, target)
    assert any(f"{tag} stays as it is" in line for line in yard.said)
    source.manifest(json.loads(source.image("s", layers=[b"one", b"two", b"three"])), tag=tag)
    yard.copy(body, source, target)
    assert target.get(tag) == source.get(tag)


def test_a_layer_that_lies_with_its_maker_is_not_asked_for(yard: Yard) -> None:
    source, target = yard.open(), yard.open()
    config = source.blob(b"{}")
    far = descriptor(
        b"windows", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["https://example.org/"]
    )
    body = source.manifest(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(config, CONFIG), "layers": [far]}
    )
    yard.copy(body, source, target)
    assert target.get(digest(body)) == body


def test_an_image_of_docker_can_be_pulled_from_the_copy(yard: Yard, engine: str, images: Images) -> None:
    source, target = yard.open(), yard.open()
    name = f"{source.name}:1"

    def run(*words: str) -> str:
        return subprocess.run(
            ["docker", "-H", engine, *words], check=True, capture_output=True, text=True, timeout=120
        ).stdout.strip()

    run("tag", images.busybox, name)
    try:
        run("push", name)
        pinned = f"{source.name}@" + digest(source.get("1") or b"")
        copied = yard.copier.copy(pinned, target.name, progress=yard.said.append, cancel=Cancellation())
        try:
            run("pull", copied)
            assert run("image", "inspect", "-f", "{{.Id}}", copied) == run("image", "inspect", "-f", "{{.Id}}", name)
        finally:
            run("rmi", copied)
    finally:
        run("rmi", name)


def test_what_is_not_there_is_named(yard: Yard) -> None:
    source, target = yard.open(), yard.open()
    with pytest.raises(ImageNotFoundError, match=r"has no sha256:[0-9a-f]{12}$"):
        yard.copy(b"nothing", source, target)
    assert target.get(digest(b"nothing")) is None


def test_a_login_that_is_missing_or_wrong_is_said(yard: Yard, tmp_path: Path, registry_with_login: WithLogin) -> None:
    source, target = yard.open(), yard.closed()
    body = source.image("amd64")
    config = tmp_path / "docker/config.json"
    config.write_text("{}")
    with pytest.raises(RegistryError, match=r"answers 401") as missing:
        yard.copy(body, source, target)
    assert missing.value.hint == f"it wants a login: run `docker login {registry_with_login.address}`"
    word = base64.b64encode(b"me:wrong").decode()
    config.write_text(json.dumps({"auths": {registry_with_login.address: {"auth": word}}}))
    with pytest.raises(RegistryError, match=r"answers 401") as wrong:
        yard.copy(body, source, target)
    assert "is not accepted" in wrong.value.hint
    assert "wrong" not in str(wrong.value)


def test_a_registry_that_is_not_there(yard: Yard) -> None:
    source = yard.open()
    body = source.image("amd64")
    with pytest.raises(RegistryBusyError, match="connection refused") as gone:
        yard.copy(body, source, Raw(registry=f"127.0.0.1:{free_port()}", path="shop"))
    assert gone.value.transient


def test_a_cancelled_copy_ends_and_a_later_one_goes_on(yard: Yard) -> None:
    source, target = yard.open(), yard.closed()
    body = source.image("big", layers=[b"small", b"x" * (8 << 20)])
    cancel = Cancellation()

    def say(line: str) -> None:
        if "copied" in line:
            cancel.cancel("enough")

    with pytest.raises(CancelledError, match="enough"):
        yard.copier.copy(f"{source.name}@{digest(body)}", target.name, progress=say, cancel=cancel)
    assert target.get(digest(body)) is None
    yard.copy(body, source, target)
    assert "there already" in yard.said[-1]
    assert target.complete(digest(body))


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        pytest.param("r.example.org/shop:1", "r.example.org/prod", "is not an image by digest", id="tag"),
        pytest.param("r.example.org/shop@sha256:12", "r.example.org/prod", "is not an image by digest", id="short"),
        pytest.param(f"r.example.org/shop@sha256:{'a' * 64}", "r.example.org/x:1", "must be a repository", id="to-tag"),
        pytest.param(f"r.example.org/shop@sha256:{'a' * 64}", "Prod", "is not an image reference", id="no-name"),
    ],
)
def test_names_that_cannot_be_meant(yard: Yard, source: str, target: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        yard.copier.copy(source, target, progress=yard.said.append, cancel=Cancellation())


def test_the_same_repository_is_nothing_to_copy(yard: Yard) -> None:
    source = yard.open()
    body = source.image("amd64", layers=[b"layer"])
    assert yard.copy(body, source, source) == f"{source.name}@{digest(body)}"
