"""Copies between registries that do not always keep the protocol: tokens, redirects, cut and changed bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import INDEX, MANIFEST, Handler, Store, digest, serving

from pipeline.errors import EcluseError, ImageNotFoundError, RegistryBusyError, RegistryError
from pipeline.ports.cancellation import Cancellation
from pipeline.registries.names import repository, scheme
from pipeline.registries.registry import OciRegistry
from pipeline.settings import Settings

LAYER = b"layer" * 1000


class Patient(Cancellation):
    """Waits are counted and not waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, seconds: float | None) -> bool:
        self.waited.append(seconds)
        return self.cancelled


class Yard:
    def __init__(self, home: Path, source: Store, target: Store) -> None:
        self.home, self.source, self.target = home, source, target
        self.said: list[str] = []
        self.cancel = Patient()

    def copy(self, body: bytes, *, within: bool = False) -> str:
        here = self.source.address.removeprefix("http://")
        there = here if within else self.target.address.removeprefix("http://")
        return OciRegistry(Settings(home=self.home)).copy(
            f"{here}/shop@{digest(body)}", f"{there}/prod", progress=self.said.append, cancel=self.cancel
        )


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as source, serving() as target:
        yield Yard(tmp_path, source, target)


def log_in(yard: Yard, store: Store, login: str) -> None:
    entry = {"auth": base64.b64encode(login.encode()).decode()}
    (yard.home / "config.json").write_text(json.dumps({"auths": {store.address.removeprefix("http://"): entry}}))


def once(answer: Callable[[Handler], None]) -> Callable[[Any], bool]:
    """A fault of the first time alone."""
    left = [answer]

    def fault(handler: Handler) -> bool:
        if not left:
            return False
        left.pop()(handler)
        return True

    return fault


def always(answer: Callable[[Handler], None]) -> Callable[[Any], bool]:
    def fault(handler: Handler) -> bool:
        answer(handler)
        return True

    return fault


def cut(handler: Handler) -> None:
    """Promises a layer and breaks off in the middle of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(LAYER)))
    handler.end_headers()
    handler.wfile.write(LAYER[:1234])
    handler.wfile.flush()
    handler.connection.shutdown(2)
    handler.close_connection = True


def short_and_closed(handler: Handler) -> None:
    """Half of a layer as if it were all."""
    handler.answer(200, LAYER[:1234])


def test_a_token_is_asked_for_with_the_login_and_goes_to_the_registry_alone(yard: Yard) -> None:
    body = yard.source.image("shop", LAYER)
    yard.target.token, yard.target.login = "t0ken", "anna:secret"
    log_in(yard, yard.target, "anna:secret")
    yard.copy(body)
    assert yard.target.manifests[f"prod/{digest(body)}"] == (MANIFEST, body)
    asked = [line for line in yard.target.asked if "/token" in line]
    assert len(asked) == 2, "once to look, once to write"
    assert "scope=repository%3Aprod%3Apull%2Cpush" in asked[-1]
    assert set(yard.source.authorizations) == {""}


def test_a_token_that_has_run_out_is_asked_for_again(yard: Yard) -> None:
    body = yard.source.image("shop", LAYER)
    yard.target.token, yard.target.login = "first", "anna:secret"
    log_in(yard, yard.target, "anna:secret")

    def change(handler: Handler) -> bool:
        yard.target.token = "second"
        return False

    yard.target.faults["PUT /v2/prod/manifests/"] = change
    yard.copy(body)
    assert f"prod/{digest(body)}" in yard.target.manifests


@pytest.mark.parametrize(
    ("realm", "words"),
    [
        pytest.param("https://nobody.invalid/token", "the connection to .* failed", id="not-there"),
        pytest.param("file:///etc/passwd", "'file:///etc/passwd', which is not https", id="no-address"),
    ],
)
def test_where_a_registry_wants_the_login_sent(yard: Yard, realm: str, words: str) -> None:
    body = yard.source.image("shop", LAYER)
    yard.target.faults["HEAD /v2/prod/blobs"] = always(
        lambda handler: handler.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s"')
    )
    with pytest.raises(RegistryError, match=words):
        yard.copy(body)


def test_a_blob_may_lie_elsewhere_and_the_login_stays_here(yard: Yard) -> None:
    body = yard.source.image("shop", LAYER)
    yard.source.token, yard.source.login = "t0ken", "anna:secret"
    log_in(yard, yard.source, "anna:secret")
    with serving() as store:
        store.blobs[f"far/{digest(LAYER)}"] = LAYER
        far = f"{store.address}/v2/far/blobs/{digest(LAYER)}"
        yard.source.faults[f"GET /v2/shop/blobs/{digest(LAYER)}"] = always(
            lambda handler: handler.answer(307, Location=far)
        )
        yard.copy(body)
        assert store.authorizations == [""]
    assert yard.target.blobs[f"prod/{digest(LAYER)}"] == LAYER


def test_a_redirect_to_something_else_is_not_followed(yard: Yard) -> None:
    body = yard.source.image("shop", LAYER)
    yard.source.faults[f"GET /v2/shop/blobs/{digest(LAYER)}"] = always(
        lambda handler: handler.answer(307, Location="ftp://example.org/x")
    )
    with pytest.raises(RegistryError, match=r"sends us to ftp://example\.org, without TLS"):
        yard.copy(body)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(cut, id="cut-in-the-middle"),
        pytest.param(lambda handler: handler.answer(503), id="busy"),
        pytest.param(lambda handler: handler.answer(429), id="too-often"),
        pytest.param(lambda handler: handler.connection.shutdown(2), id="hung-up"),
    ],
)
def test_what_passes_is_tried_again(yard: Yard, fault: Callable[[Handler], None]) -> None:
    body = yard.source.image("shop", LAYER)
    yard.source.faults[f"GET /v2/shop/blobs/{digest(LAYER)}"] = once(fault)
    yard.copy(body)
    assert yard.target.blobs[f"prod/{digest(LAYER)}"] == LAYER
    assert yard.cancel.waited == [1.0]
    assert any(line.endswith("trying again") for line in yard.said)


@pytest.mark.parametrize(
    ("where", "fault", "kind", "words"),
    [
        pytest.param("source", cut, RegistryBusyError, r"broke off|IncompleteRead|connection", id="always-cut"),
        pytest.param("source", short_and_closed, RegistryBusyError, "broke off after 1234 of 5000 bytes", id="short"),
        pytest.param(
            "source", lambda handler: handler.answer(200, b"other" * 1000), RegistryError,
            "has other bytes than sha256", id="changed",
        ),
        pytest.param("source", lambda handler: handler.answer(404), ImageNotFoundError, "answers 404", id="gone"),
        pytest.param(
            "source", lambda handler: handler.answer(403, b'{"errors": [{"code": "DENIED", "message": "not\\nyou"}]}'),
            RegistryError, r"answers 403 \(DENIED not you\)", id="denied",
        ),
        pytest.param(
            "source", lambda handler: handler.answer(500, b"[" * 5000), RegistryBusyError, "answers 500$", id="broken"
        ),
    ],
)  # fmt: skip
def test_a_source_that_cannot_give_a_blob(
    yard: Yard, where: str, fault: Callable[[Handler], None], kind: type[EcluseError], words: str
) -> None:
    body = yard.source.image("shop", LAYER)
    getattr(yard, where).faults[f"GET /v2/shop/blobs/{digest(LAYER)}"] = always(fault)
    with pytest.raises(kind, match=words) as caught:
        yard.copy(body)
    assert type(caught.value) is kind
    assert caught.value.hint
    assert f"prod/{digest(LAYER)}" not in yard.target.blobs
    assert f"prod/{digest(body)}" not in yard.target.manifests


@pytest.mark.parametrize(
    ("begin", "fault", "words"),
    [
        pytest.param(
            "PUT /v2/prod/manifests/", lambda handler: handler.answer(201, Docker_Content_Digest="sha256:" + "0" * 64),
            "keeps sha256:.* as sha256:0000", id="rewrites-manifests",
        ),
        pytest.param(
            "PUT /v2/prod/manifests/", lambda handler: handler.answer(201), "does not have sha256:.* after it took it",
            id="forgets-manifests",
        ),
        pytest.param(
            "POST /v2/prod/blobs/uploads/", lambda handler: handler.answer(202), "does not say where to", id="nowhere"
        ),
        pytest.param(
            "POST /v2/prod/blobs/uploads/",
            lambda handler: handler.answer(202, Location="https://example.org/take"),
            "sends uploads to example.org", id="elsewhere",
        ),
        pytest.param(
            "POST /v2/prod/blobs/uploads/", lambda handler: handler.answer(405), "answers 405", id="read-only"
        ),
        pytest.param(
            "GET /v2/prod/manifests/sha256:", lambda handler: handler.answer(200, b"{}", Content_Type=MANIFEST),
            "has other bytes than", id="lies",
        ),
    ],
)  # fmt: skip
def test_a_target_that_does_not_take_it(yard: Yard, begin: str, fault: Callable[[Handler], None], words: str) -> None:
    body = yard.source.image("shop", LAYER)

    def answer(handler: Handler) -> bool:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fault(handler)
        return True

    yard.target.faults[begin] = answer
    with pytest.raises(RegistryError, match=words):
        yard.copy(body)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        pytest.param(b"<html>", "text/html", "what came is no manifest", id="web-page"),
        pytest.param(b"[]", MANIFEST, "what came is no manifest", id="list"),
        pytest.param(b"[" * 100_000, MANIFEST, "what came is no manifest", id="deep"),
        pytest.param(b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+prettyjws",
                     "cannot be copied", id="schema-1"),
        pytest.param(b"{" + b" " * (5 << 20) + b"}", MANIFEST, "larger than 4 MiB", id="huge"),
        pytest.param(b'{"config": {"digest": "sha256:../", "size": 1}}', MANIFEST, "without digest", id="path"),
        pytest.param(b'{"layers": [{"digest": "sha256:%s", "size": -1}]}' % (b"a" * 64), MANIFEST,
                     "without digest or size", id="size"),
        pytest.param(b'{"layers": ["x"]}', MANIFEST, "without digest or size", id="no-descriptor"),
    ],
)  # fmt: skip
def test_manifests_that_are_none(yard: Yard, body: bytes, kind: str, words: str) -> None:
    yard.source.manifests[f"shop/{digest(body)}"] = (kind, body)
    with pytest.raises(RegistryError, match=words):
        yard.copy(body)


def test_an_index_without_end_is_given_up(yard: Yard) -> None:
    body = yard.source.image("shop", LAYER)
    for _ in range(12):
        listed = [{"mediaType": INDEX, "digest": digest(body), "size": len(body)}]
        body = yard.source.put("shop", {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    with pytest.raises(RegistryError, match="leads to too many others"):
        yard.copy(body)


def test_mounting_where_the_registry_takes_it_and_moving_where_not(yard: Yard) -> None:
    body = yard.source.image("shop", LAYER)
    yard.copy(body, within=True)
    assert yard.said[-1].endswith("1 manifest; blobs: 2 mounted")
    assert not any(line.startswith("GET /v2/shop/blobs") for line in yard.source.asked)
    other = yard.source.image("shop", b"other")
    yard.source.faults["POST /v2/prod/blobs/uploads/?mount"] = always(
        lambda handler: handler.answer(202, Location=f"{yard.source.address}/v2/prod/blobs/uploads/9")
    )
    yard.copy(other, within=True)
    assert yard.said[-1].endswith("1 manifest; blobs: 1 there already, 1 moved (5 B)")


@pytest.mark.parametrize("keeps", [pytest.param(True, id="list"), pytest.param(False, id="tag")])
def test_referrers_of_a_registry_that_lists_them(yard: Yard, keeps: bool) -> None:
    yard.source.keeps_referrers, yard.target.keeps_referrers = True, keeps
    body = yard.source.image("shop", LAYER)
    subject = {"mediaType": MANIFEST, "digest": digest(body), "size": len(body)}
    sbom = yard.source.image("shop", b"sbom", subject=subject, artifactType="x/sbom", annotations={"a": "b"})
    yard.copy(body)
    assert f"prod/{digest(sbom)}" in yard.target.manifests
    tag = yard.target.manifests.get(f"prod/{digest(body).replace(':', '-')}")
    if keeps:
        assert tag is None
    else:
        assert tag is not None
        (listed,) = json.loads(tag[1])["manifests"]
        assert listed == {
            "mediaType": MANIFEST, "digest": digest(sbom), "size": len(sbom), "artifactType": "x/sbom",
            "annotations": {"a": "b"},
        }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "host", "path"),
    [
        pytest.param("shop", "registry-1.docker.io", "library/shop", id="hub-library"),
        pytest.param("anna/shop", "registry-1.docker.io", "anna/shop", id="hub"),
        pytest.param("docker.io/anna/shop", "registry-1.docker.io", "anna/shop", id="hub-by-name"),
        pytest.param("localhost/shop", "localhost", "shop", id="localhost"),
        pytest.param("r.example.org:5000/a/b", "r.example.org:5000", "a/b", id="port"),
    ],
)
def test_where_a_repository_is(name: str, host: str, path: str) -> None:
    found = repository(name)
    assert (found.host, found.path) == (host, path)


@pytest.mark.parametrize(
    ("registry", "wanted"),
    [
        pytest.param("127.0.0.1:5000", "http", id="loopback"),
        pytest.param("127.9.9.9", "http", id="all-of-127"),
        pytest.param("[::1]:5000", "http", id="loopback-6"),
        pytest.param("localhost:5000", "http", id="localhost"),
        pytest.param("10.0.0.1:5000", "https", id="private"),
        pytest.param("127.0.0.1.example.org", "https", id="looks-alike"),
        pytest.param("localhost.example.org", "https", id="looks-alike-too"),
        pytest.param("plain.example.org:80", "http", id="configured-by-host"),
        pytest.param("other.example.org:81", "http", id="configured-with-port"),
        pytest.param("other.example.org", "https", id="another-port"),
    ],
)
def test_only_some_registries_are_spoken_to_without_tls(registry: str, wanted: str) -> None:
    assert scheme(registry, ("plain.example.org", "other.example.org:81")) == wanted
