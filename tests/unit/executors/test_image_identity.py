"""What stands behind an image's name, asked over an engine's socket."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.executors.docker.identity import DockerIdentity
from pipeline.settings import Settings

Answers = dict[str, bytes]
LOCAL = {"Id": "sha256:local", "RepoDigests": []}
PULLED = {"Id": "sha256:id", "RepoDigests": ["other/x@sha256:no", "python@sha256:index"]}
MIRRORED = {"Id": "sha256:id", "RepoDigests": ["reg.example.org:5000/team/app@sha256:app"]}


def ok(value: object) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def in_pieces(value: object) -> bytes:
    body = json.dumps(value).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"


MISSING = b'HTTP/1.1 404 Not Found\r\nContent-Length: 28\r\n\r\n{"message": "No such image"}'
PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"


@pytest.fixture
def engine() -> Iterator[Callable[[Answers], Settings]]:
    """A socket that answers each path as it is told, anything else with 404."""
    with tempfile.TemporaryDirectory(prefix="ecluse-", dir="/tmp") as folder:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(f"{folder}/s")
        server.listen()
        answers: Answers = {"/_ping": PING}

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection:
                while request := connection.recv(65536):
                    path = request.split(b" ")[1].decode().removeprefix("/v1.41")
                    words = answers.get(path, MISSING)
                    connection.sendall(words)
                    if b"Content-Length" not in words and b"chunked" not in words:
                        return  # its end is the end of the connection

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def settings(given: Answers) -> Settings:
            answers.update(given)
            return Settings(home=Path(folder), docker_host=f"unix://{folder}/s")

        yield settings
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize("spell", [ok, in_pieces], ids=["whole", "in chunks"])
def test_an_answer_is_read(engine: Callable[[Answers], Settings], spell: Callable[[object], bytes]) -> None:
    facts = {"Os": "linux", "Arch": "é" * 50}
    assert DockerIdentity(engine({"/version": spell(facts)})).platform == f"linux/{'é' * 50}"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 500 Oops\r\n\r\n{}", id="an error"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nno json", id="no JSON"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
    ],
)
def test_other_answers_say_nothing(engine: Callable[[Answers], Settings], answer: bytes) -> None:
    assert DockerIdentity(engine({"/version": answer})).platform == ""


def test_an_engine_that_is_none_knows_nothing(engine: Callable[[Answers], Settings]) -> None:
    assert DockerIdentity(engine({"/_ping": ok({}), "/version": ok({"Os": "linux"})})).platform == ""


@pytest.mark.parametrize(
    ("reference", "facts", "known"),
    [
        pytest.param("python:3.12", PULLED, "sha256:index", id="its registry's digest"),
        pytest.param("docker.io/library/python:3.12", PULLED, "sha256:index", id="the same written out"),
        pytest.param("python", PULLED, "sha256:index", id="without a tag"),
        pytest.param("reg.example.org:5000/team/app", MIRRORED, "sha256:app", id="a registry with a port"),
        pytest.param("mine:1", LOCAL, "sha256:local", id="built here"),
        pytest.param("renamed:1", PULLED, "sha256:id", id="under a name that no registry gave it"),
        pytest.param("python@sha256:pinned", None, "sha256:pinned", id="pinned"),
        pytest.param("gone:1", None, "", id="not there"),
    ],
)
def test_an_image_is_known_by(engine: Callable[[Answers], Settings], reference: str, facts: object, known: str) -> None:
    answers = {f"/images/{reference}/json": ok(facts)} if facts else {}
    assert DockerIdentity(engine(answers)).image(reference) == known


def test_what_is_not_known_is_asked_again(engine: Callable[[Answers], Settings]) -> None:
    settings = engine({})
    identity = DockerIdentity(settings)
    assert (identity.image("mine:1"), identity.platform) == ("", "")
    engine({"/images/mine:1/json": ok(LOCAL), "/version": ok({"Os": "linux", "Arch": "arm64"})})
    assert (identity.image("mine:1"), identity.platform) == ("sha256:local", "linux/arm64")
    assert identity.has("mine:1", "sha256:local")
    assert not identity.has("mine:1", "sha256:other")
    assert not identity.has("other:1", "sha256:local")


def test_an_engine_that_nobody_runs_knows_nothing(tmp_path: Path) -> None:
    identity = DockerIdentity(Settings(home=tmp_path, docker_host=f"unix://{tmp_path}/none.sock"))
    assert (identity.image("x:1"), identity.platform, identity.has("x:1", "sha256:1")) == ("", "", False)
