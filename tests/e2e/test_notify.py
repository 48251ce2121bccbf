"""People are told of a run's end by a real server, of what they asked for, and never at the run's cost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from environment.command import Command
from environment.repository import Repository

GOOD = "  a: {image: busybox, commands: 'true'}\n"
BAD = "  a: {image: busybox, commands: exit 3}\n"


class Inbox:
    """A server that keeps what it is sent, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, dict[str, Any]]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.got.append((self.path, json.loads(content)))
                self.send_response(inbox.status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def titles(self) -> list[str]:
        found = [content["title"] for _, content in self.got]
        self.got.clear()
        return found


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    yield server
    server.close()


def text(stages: str, *rules: str) -> str:
    return f"version: 1\nname: shop\nnotify: [{', '.join(rules)}]\nstages:\n{stages}"


def test_whoever_wants_to_hear_of_an_end_does(
    ecluse: Command, git_repo: Callable[..., Repository], inbox: Inbox
) -> None:
    rules = (
        f"{{on: [fixed, broken], to: 'json://127.0.0.1:{inbox.port}/change'}}",
        f"{{on: failed, to: 'json://127.0.0.1:{inbox.port}/bad'}}",
    )
    place = git_repo({"pipeline.yml": text(GOOD, *rules)})

    def run(stages: str) -> tuple[int, list[str]]:
        place.write({"pipeline.yml": text(stages, *rules)})
        return ecluse("run", "--executor", "process", cwd=place.path).code, inbox.titles()

    assert run(GOOD) == (0, [])
    assert run(BAD) == (1, ["shop #2 on main: broken (failed)", "shop #2 on main: failed"])
    assert run(BAD) == (1, ["shop #3 on main: failed"])
    assert run(GOOD) == (0, ["shop #4 on main: fixed (succeeded)"])
    assert run(GOOD) == (0, [])


def test_a_secret_in_the_address_is_not_shown(
    ecluse: Command, git_repo: Callable[..., Repository], inbox: Inbox
) -> None:
    rule = f"{{on: failed, to: 'json://127.0.0.1:{inbox.port}/hook/secret:HOOK'}}"
    place = git_repo({"pipeline.yml": text(BAD, rule)})
    ended = ecluse("run", "--executor", "process", cwd=place.path, env={"ECLUSE_SECRET_HOOK": "t0ken-of-hook"})
    assert [path for path, _ in inbox.got] == ["/hook/t0ken-of-hook"]
    (_, content) = inbox.got[0]
    assert content["message"].splitlines()[0] == "a failed: exit 3"
    assert f"· notified json://127.0.0.1:{inbox.port}: failed\n" in ended.out
    assert "t0ken" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        pytest.param("json://127.0.0.1:PORT/x", 500, "it did not take the notice", id="refused"),
        pytest.param("json://127.0.0.1:1/x", 200, "it did not take the notice", id="nobody-there"),
        pytest.param("nothing://x", 200, "this address is not understood", id="unknown-service"),
        pytest.param("json://127.0.0.1:PORT/secret:NONE", 200, "the secret 'NONE' is not known", id="no-secret"),
    ],
)
def test_what_goes_wrong_is_said_and_fails_nothing(
    ecluse: Command, git_repo: Callable[..., Repository], inbox: Inbox, address: str, status: int, said: str
) -> None:
    inbox.status = status
    address = address.replace("PORT", str(inbox.port))
    place = git_repo({"pipeline.yml": text(GOOD, f"{{on: succeeded, to: '{address}'}}")})
    ended = ecluse("run", "--executor", "process", cwd=place.path)
    assert (ended.code, said in ended.out) == (0, True), ended.out + ended.err
