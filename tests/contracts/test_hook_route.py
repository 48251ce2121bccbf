"""The door for webhooks, on both databases: what is answered 202 is on the disk once, and nothing else is."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_ground import web_server

from pipeline.bootstrap import Application
from pipeline.model.incoming import HookDelivery, HookState
from pipeline.model.repository import ForgeKind, Repository
from pipeline.web import hooks, wrong_signatures

SECRET = b"a secret of this test"
OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def application(database_url: str, tmp_path: Path) -> Application:
    """With a repository of plain git and one of GitHub."""
    made = Application({"ECLUSE_HOME": str(tmp_path / "home"), "ECLUSE_DATABASE": database_url})
    for name, forge in (("team/app", ForgeKind.PLAIN), ("team/hub", ForgeKind.GITHUB)):
        made.intake.save_repository(
            Repository(name=name, url=f"https://git.example/{name}", forge=forge, created=datetime.now(UTC))
        )
        made.vault.put(f"hook:{name}", "secret", SECRET, by="ada")
    return made


@pytest.fixture
def server(application: Application) -> Iterator[str]:
    with web_server(application) as address:
        yield address


CLIENT = httpx.Client(timeout=60, trust_env=False)


def send(url: str, **request: Any) -> httpx.Response:
    """A POST, over connections that stay open."""
    return CLIENT.post(url, **request)


def move(branch: str = "main", **more: object) -> bytes:
    changes = [{"ref": f"refs/heads/{branch}", "before": OLD, "after": NEW}]
    return json.dumps({"actor": "ada", "clone_url": "/srv/git/app", "changes": changes, **more}).encode()


def signed(body: bytes, delivery: str, *, secret: bytes = SECRET, event: str = "push", at: float = 0) -> dict[str, str]:
    stamp = str(int(at or time.time()))
    mac = hmac.new(secret, f"{stamp}.{delivery}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "x-ecluse-event": event,
        "x-ecluse-delivery": delivery,
        "x-ecluse-timestamp": stamp,
        "x-ecluse-signature-256": f"sha256={mac}",
    }


def kept(application: Application) -> list[HookDelivery]:
    return list(application.intake.deliveries(limit=10_000))


def test_a_push_is_kept_before_it_is_answered(application: Application, server: str) -> None:
    body = move()
    answer = send(f"{server}/hooks/team/app", content=body, headers=signed(body, "d1"))
    assert answer.status_code == 202
    (delivery,) = kept(application)
    assert answer.json() == {"state": "received", "delivery": delivery.id}
    assert (delivery.repository, delivery.key, delivery.event, delivery.body, delivery.state) == (
        "team/app",
        "d1",
        "push",
        body,
        HookState.RECEIVED,
    )
    assert "x-ecluse-signature-256" not in delivery.headers
    assert list(application.intake.undecided()) == [delivery]


def test_what_comes_twice_is_kept_once(application: Application, server: str) -> None:
    body = move()
    first = send(f"{server}/hooks/team/app", content=body, headers=signed(body, "d1"))
    second = send(f"{server}/hooks/team/app", content=body, headers=signed(body, "d1"))
    assert (first.status_code, second.status_code, second.json()) == (202, 200, {"state": "known"})
    assert len(kept(application)) == 1


def test_an_old_delivery_under_a_new_id_is_known(application: Application, server: str) -> None:
    body = json.dumps(
        {
            "ref": "refs/heads/main",
            "before": OLD,
            "after": NEW,
            "repository": {"clone_url": "u"},
            "sender": {"login": "ada"},
        }
    ).encode()
    mac = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    answers = [
        send(
            f"{server}/hooks/team/hub",
            content=body,
            headers={"x-github-event": "push", "x-github-delivery": name, "x-hub-signature-256": f"sha256={mac}"},
        ).status_code
        for name in ("one", "two")
    ]
    assert answers == [202, 200]
    assert len(kept(application)) == 1


def test_a_wrong_signature_and_an_unknown_repository_are_answered_alike(application: Application, server: str) -> None:
    body = move()
    application.intake.save_repository(
        Repository(name="team/open", url="https://git.example/open", created=datetime.now(UTC))
    )
    asked = {
        "wrong": ("team/app", signed(body, "d1", secret=b"another")),
        "none": ("team/app", {}),
        "old": ("team/app", signed(body, "d1", at=time.time() - 1000)),
        "no secret set": ("team/open", signed(body, "d1", secret=b"")),
        "guess": ("team/open", signed(body, "d1", secret=b"no repository has this secret")),
        "unknown": ("team/nothing", signed(body, "d1")),
    }
    answers = {
        why: send(f"{server}/hooks/{name}", content=body, headers=headers) for why, (name, headers) in asked.items()
    }
    assert {why: answer.status_code for why, answer in answers.items()} == dict.fromkeys(asked, 401)
    assert len({answer.content for answer in answers.values()}) == 1
    assert not kept(application)


@pytest.mark.parametrize(
    ("event", "body", "status", "decision"),
    [
        pytest.param("issue", b"{}", 204, None, id="unknown-event"),
        pytest.param("push", b'{"changes": []}', 204, None, id="moved-nothing"),
        pytest.param("ping", b"{}", 202, "the hook works", id="ping"),
        pytest.param("push", b"[", 400, "unreadable: the webhook's body is no JSON", id="no-json"),
        pytest.param("push", b"[" * 100_000, 400, "unreadable: the webhook's body is no JSON", id="deep"),
        pytest.param("push", move("a..b"), 400, "unreadable: the webhook's 'changes[0].ref'", id="no-branch"),
    ],
)
def test_what_starts_nothing(
    application: Application, server: str, event: str, body: bytes, status: int, decision: str | None
) -> None:
    answer = send(f"{server}/hooks/team/app", content=body, headers=signed(body, "d1", event=event))
    assert answer.status_code == status
    if status == 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert decision is not None
        assert answer.json()["title"].startswith(decision.removeprefix("unreadable: "))
    found = [(delivery.state, delivery.decision[: len(decision or "")]) for delivery in kept(application)]
    assert found == ([] if decision is None else [(HookState.DECIDED, decision)])
    assert not application.intake.undecided()


def test_a_body_that_is_too_long_is_refused_before_it_is_read(application: Application, server: str) -> None:
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"POST /hooks/team/app HTTP/1.1\r\nhost: x\r\ncontent-length: {hooks.LIMIT + 1}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")

    def stream() -> Iterator[bytes]:
        for _ in range(hooks.LIMIT // 2**20 + 1):
            yield b" " * 2**20

    with suppress(httpx.WriteError):  # the server may close the door while the rest is still being sent
        assert send(f"{server}/hooks/team/app", content=stream()).status_code == 413
    assert not kept(application)


def test_a_large_body_is_kept_whole(application: Application, server: str) -> None:
    body = move(padding="x" * 2**20)
    answer = send(f"{server}/hooks/team/app", content=body, headers=signed(body, "d1"))
    assert answer.status_code == 202
    assert kept(application)[0].body == body


def test_whoever_sends_many_wrong_ones_waits(application: Application, server: str) -> None:
    body = move()
    for _ in range(wrong_signatures.ALLOWED):
        assert send(f"{server}/hooks/team/app", content=body).status_code == 401
    answer = send(f"{server}/hooks/team/app", content=body, headers=signed(body, "d1"))
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= wrong_signatures.SECONDS
    assert not kept(application)


def test_of_many_at_once_none_is_lost_and_none_is_double(application: Application, server: str) -> None:
    """Deliveries that are each sent three times, by several senders, in an order that mixes them."""
    bodies = {f"d{number}": move(f"branch-{number}") for number in range(60)}

    def post(name: str) -> tuple[str, int]:
        headers = signed(bodies[name], name)
        return name, send(f"{server}/hooks/team/app", content=bodies[name], headers=headers).status_code

    with ThreadPoolExecutor(8) as senders:
        answers = Counter(senders.map(post, [name for _ in range(3) for name in bodies]))
    assert answers == Counter({(name, 202): 1 for name in bodies} | {(name, 200): 2 for name in bodies})
    assert {delivery.key: delivery.body for delivery in kept(application)} == bodies
    assert len(kept(application)) == len(bodies)


def test_one_that_cannot_be_kept_spoils_no_other(application: Application) -> None:
    from pipeline.errors import RecordsError
    from pipeline.web.reception import Reception

    def delivery(name: str, size: int = 1) -> HookDelivery:
        return HookDelivery(
            id=name.rjust(26, "0"),
            repository="team/app",
            key=name,
            event="push",
            headers={},
            body=b"x" * size,
            received=datetime.now(UTC),
        )

    class Full:
        """The intake, of which a part of the deliveries cannot be kept, as on a disk that is nearly full."""

        first = threading.Event()

        def receive_all(self, deliveries: list[HookDelivery]) -> frozenset[str]:
            self.first.wait(60)
            if any(len(one.body) > 1 for one in deliveries):
                raise RecordsError("no room")
            return application.intake.receive_all(deliveries)

    async def send() -> list[object]:
        reception = Reception(Full())  # type: ignore[arg-type]  # only what it asks for
        waiting = [
            asyncio.ensure_future(reception.keep(delivery(name, size))) for name, size in (("a", 1), ("b", 2), ("c", 1))
        ]
        await asyncio.sleep(0)
        Full.first.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        reception.close()
        return list(results)

    results = asyncio.run(send())
    assert results[0] is True
    assert isinstance(results[1], RecordsError)
    assert results[2] is True
    assert sorted(one.key for one in kept(application)) == ["a", "c"]
