"""The client for an engine on this machine: the docker client's names, answers and errors, on a real engine."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from pipeline.dockerapi import output_of, post, status_of, translating
from pipeline.dockerapi.local import LocalClient, LostError
from pipeline.errors import EngineBusyError, EngineError, EngineUnreachableError, ImageNotFoundError


@pytest.fixture
def local(engine: str) -> LocalClient:
    made = LocalClient(engine, full=lambda: docker.APIClient(base_url=engine, version="auto"))
    assert made.greet()
    return made


@pytest.fixture
def label(client: docker.APIClient) -> Iterator[dict[str, str]]:
    """A label of this test alone; what carries it goes with the test."""
    mine = {"ecluse.test": secrets.token_hex(6)}
    yield mine
    wanted = {"label": [f"{key}={value}" for key, value in mine.items()]}
    for item in client.containers(all=True, filters=wanted):
        client.remove_container(item["Id"], force=True, v=True)
    for item in client.networks(filters=wanted):
        client.remove_network(item["Name"])
    for item in client.volumes(filters=wanted)["Volumes"] or []:
        client.remove_volume(item["Name"], force=True)


def created(client: Any, images: Any, label: dict[str, str], *command: str) -> str:
    body = {"Image": images.busybox, "Cmd": list(command), "Labels": label, "HostConfig": {"NetworkMode": "none"}}
    return str(post(client, "/containers/create", body, name=f"ecluse-test-{secrets.token_hex(6)}")["Id"])


def test_a_container_lives_and_goes(local: LocalClient, images: Any, label: dict[str, str]) -> None:
    container = created(local, images, label, "sh", "-c", "exit 7")
    wanted = {"label": [f"{key}={value}" for key, value in label.items()]}
    assert [item["Id"] for item in local.containers(all=True, filters=wanted)] == [container]
    local.start(container)
    assert local.wait(container)["StatusCode"] == 7
    assert local.inspect_container(container)["State"]["ExitCode"] == 7
    assert local.containers(filters=wanted) == []
    local.remove_container(container, force=True, v=True)
    assert local.containers(all=True, filters=wanted) == []


def test_volumes_and_networks_are_those_of_the_docker_client(
    local: LocalClient, client: docker.APIClient, label: dict[str, str]
) -> None:
    wanted = {"label": [f"{key}={value}" for key, value in label.items()]}
    name = f"ecluse-test-{secrets.token_hex(6)}"
    made = local.create_volume(name, driver_opts={"type": "tmpfs", "device": "tmpfs"}, labels=label)
    assert made == client.inspect_volume(name)
    assert local.volumes(filters=wanted) == client.volumes(filters=wanted)
    local.remove_volume(name, force=True)
    assert not local.volumes(filters=wanted)["Volumes"]
    client.create_network(name, driver="bridge", labels=label, ipam={"Config": [{"Subnet": "198.19.254.0/28"}]})
    assert local.networks(filters=wanted) == client.networks(filters=wanted)
    assert [item["Name"] for item in local.networks(names=[name])] == [name]
    local.remove_network(name)
    assert local.networks(filters=wanted) == []


@pytest.mark.parametrize("whose", ["local", "client"])
def test_output_that_comes_together_with_the_head_of_the_answer_is_not_lost(tmp_path: Path, whose: str) -> None:
    """What a busy engine does now and then, done here every time: one packet for all of it."""
    place = tmp_path / "engine.sock"
    head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

    def engine() -> None:
        connection, _ = listening.accept()
        with connection:
            while not connection.recv(65536).endswith(b"}"):
                pass  # the body may come behind the head
            connection.sendall(head + b"\1\0\0\0\0\0\0\5hush-" + b"\2\0\0\0\0\0\0\2p1")

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        answering = threading.Thread(target=engine)
        answering.start()
        asked: Any = docker.APIClient(base_url=f"unix://{place}", version="1.41")
        if whose == "local":
            asked = LocalClient(f"unix://{place}", full=lambda: asked)
            asked.api_version = "1.41"
        assert list(output_of(asked, "some-command")) == [b"hush-", b"p1"]
        answering.join()
        asked.close()


def test_what_it_does_not_do_itself_the_docker_client_does(local: LocalClient, images: Any) -> None:
    assert local.inspect_image(images.busybox)["Id"].startswith("sha256:")


@pytest.mark.parametrize(
    ("path", "body", "status", "raised", "family"),
    [
        pytest.param("/containers/nobody/start", None, 404, docker.errors.NotFound, EngineError, id="no container"),
        pytest.param(
            "/containers/create",
            {"Image": "nobody.example/nothing:1"},
            404,
            docker.errors.ImageNotFound,
            ImageNotFoundError,
            id="no image",
        ),
        pytest.param(
            "/networks/create",
            {"Name": "bridge", "CheckDuplicate": True},
            403,
            docker.errors.APIError,
            EngineError,
            id="not allowed",
        ),
    ],
)
def test_refusals_are_the_docker_clients_errors(
    local: LocalClient, engine: str, path: str, body: object, status: int, raised: type[Exception], family: type
) -> None:
    full: Any = docker.APIClient(base_url=engine, version="auto")
    with pytest.raises(raised) as theirs:
        post(full, path, body)
    with pytest.raises(raised) as ours:
        post(local, path, body)
    assert type(ours.value) is type(theirs.value)
    assert ours.value.explanation == theirs.value.explanation  # type: ignore[attr-defined]
    assert status_of(ours.value) == status
    assert str(status) in str(ours.value)
    with pytest.raises(family), translating("ask"):
        post(local, path, body)


def test_many_threads_share_one(local: LocalClient) -> None:
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda _: local.info()["ID"], range(60)))
    assert len(set(told)) == 1


def test_a_raw_stream(local: LocalClient, images: Any, label: dict[str, str]) -> None:
    body = {
        "Image": images.busybox,
        "Cmd": ["cat"],
        "Labels": label,
        "OpenStdin": True,
        "StdinOnce": True,
        "HostConfig": {"NetworkMode": "none"},
    }
    container = post(local, "/containers/create", body, name=f"ecluse-test-{secrets.token_hex(6)}")["Id"]
    stream = local.hijack(f"/containers/{container}/attach", {"stdin": 1, "stdout": 1, "stream": 1})
    local.start(container)
    stream.socket.sendall(b"hello\n")
    stream.socket.shutdown(socket.SHUT_WR)
    assert stream.source.read() == b"\x01\0\0\0\0\0\0\x06hello\n"
    stream.close()
    with pytest.raises(docker.errors.NotFound):
        local.hijack("/containers/nobody/attach", {"stream": 1})


class Fickle:
    """A server that closes each connection after one answer without having said so."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.served = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(self._answer)
            self.served += 1


OK = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\n{}"


def test_a_connection_that_the_engine_has_closed_is_not_used_again(tmp_path: Path) -> None:
    server = Fickle(tmp_path / "s", OK)
    local = LocalClient(f"unix://{tmp_path / 's'}", full=docker.APIClient)
    assert [local.greet(), local.info(), local.info()] == ["1.41", {}, {}]
    assert server.served >= 2


@pytest.mark.parametrize(
    ("answer", "family"),
    [
        pytest.param(b"", EngineBusyError, id="hangs up"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", EngineBusyError, id="another protocol"),
        pytest.param(OK.replace(b"Length: 2", b"Length: 9"), EngineBusyError, id="half an answer"),
    ],
)
def test_a_lost_connection_is_worth_another_try(tmp_path: Path, answer: bytes, family: type[Exception]) -> None:
    Fickle(tmp_path / "s", answer)
    local = LocalClient(f"unix://{tmp_path / 's'}", full=docker.APIClient)
    with pytest.raises(LostError):
        local.greet()
    with pytest.raises(family), translating("greet"):
        local.greet()


def test_nobody_there(tmp_path: Path) -> None:
    local = LocalClient(f"unix://{tmp_path / 'nothing'}", full=docker.APIClient)
    with pytest.raises(EngineUnreachableError, match="no container engine answers"), translating("greet"):
        local.greet()
