"""Registry logins are tried as a client would, against servers that answer as registries do."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.operations.registry_logins import Login, configuration, logins

RIGHT = "Basic " + base64.b64encode(b"anna:right").decode()


class Registry(BaseHTTPRequestHandler):
    """`/v2/` with Basic, or with a token where the host name asks for one; only anna:right is known."""

    def do_GET(self) -> None:
        right = self.headers.get("Authorization") == RIGHT
        if self.path == "/v2/" and self.headers.get("Host", "").startswith("localhost"):
            self.send_response(401)
            place = f"http://{self.headers['Host']}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{place}",service="registry"')
        elif self.path == "/v2/" or self.path.startswith("/token?service=registry"):
            self.send_response(200 if right else 401)
        else:
            self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *words: object) -> None: ...  # noqa: A002  # the base class's name


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A registry on this host."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def written(folder: Path, content: object) -> Path:
    """A docker configuration file."""
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def entry(password: str) -> dict[str, str]:
    """A login as docker stores it."""
    return {"auth": base64.b64encode(f"anna:{password}".encode()).decode()}


@pytest.mark.parametrize("host", [pytest.param("127.0.0.1", id="basic"), pytest.param("localhost", id="token")])
@pytest.mark.parametrize(
    ("password", "usable"), [pytest.param("right", True, id="right"), pytest.param("old", False, id="old")]
)
def test_a_login_is_tried(tmp_path: Path, port: int, host: str, password: str, usable: bool) -> None:
    name = f"{host}:{port}"
    [login] = logins(written(tmp_path, {"auths": {name: entry(password)}}))
    said = "as 'anna'" if usable else f"{name} refuses the login of 'anna'"
    assert login == Login(registry=name, usable=usable, detail=said)


def test_a_registry_that_does_not_answer_is_not_called_wrong(tmp_path: Path) -> None:
    [login] = logins(written(tmp_path, {"auths": {"127.0.0.1:1": entry("right")}}))
    assert login.usable is None
    assert login.detail.startswith("no answer from 127.0.0.1:1: ")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        pytest.param({"auths": {"r.example": {}}}, "the configuration names it without a login", id="empty"),
        pytest.param({"auths": {"r.example": {"auth": "!!"}}}, "", id="not-base64"),
        pytest.param(
            {"credHelpers": {"r.example": "no-such"}}, "docker-credential-no-such is not installed", id="helper"
        ),
        pytest.param(
            {"auths": {"r.example": {}}, "credsStore": "no"}, "docker-credential-no is not installed", id="store"
        ),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, content: object, detail: str) -> None:
    [login] = logins(written(tmp_path, content))
    assert (login.registry, login.usable) == ("r.example", False)
    assert detail in login.detail


@pytest.mark.parametrize(
    "content", [pytest.param("{", id="no-json"), pytest.param([], id="a-list"), pytest.param({"auths": 1}, id="auths")]
)
def test_a_broken_file_is_an_error(tmp_path: Path, content: object) -> None:
    if content == {"auths": 1} or content == []:
        with pytest.raises(ValueError, match="object"):
            logins(written(tmp_path, content))
    else:
        with pytest.raises(ValueError, match="Expecting"):
            logins(written(tmp_path, content))


def test_no_file_is_no_login(tmp_path: Path) -> None:
    assert logins(tmp_path / "config.json") == ()
    assert configuration({"DOCKER_CONFIG": "/a"}) == Path("/a/config.json")
    assert configuration({"HOME": "/h"}) == Path("/h/.docker/config.json")
