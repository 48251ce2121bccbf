"""Clients that send too much, too slowly or nothing at all: each is told or cut off, and the server stays small."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from greedy import CHUNK, MEGABYTE, RUNS, crowded, post, said
from served import serve
from web_ground import web_server

from pipeline.bootstrap import Application
from pipeline.errors import SettingsError
from pipeline.model.account import Role
from pipeline.web import bodies, connections, hooks, live_streams


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    application = Application({"ECLUSE_HOME": str(tmp_path), "HOME": str(tmp_path)})
    application.intake.repositories()
    with web_server(application) as address:
        yield address


def test_one_address_does_not_take_all_connections(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.Connection, "most_of_one", 2)
    where = urlsplit(server)
    question = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    async def asked_from(address: str) -> tuple[bool, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(where.hostname, where.port, local_addr=(address, 0))
        writer.write(question)
        try:
            return b"lives" in await reader.readuntil(b"lives"), writer
        except (asyncio.IncompleteReadError, ConnectionError):
            return False, writer

    async def crowd() -> list[bool]:
        asked = [await asked_from(address) for address in ("127.0.0.2",) * 3 + ("127.0.0.3",)]
        connections.Connection.proxies = connections.networks(("127.0.0.2",))
        asked.append(await asked_from("127.0.0.2"))
        for _, writer in asked:
            writer.close()
        return [answered for answered, _ in asked]

    monkeypatch.setattr(connections.Connection, "proxies", ())
    assert asyncio.run(crowd()) == [True, True, False, True, True]


@pytest.mark.parametrize("word", ["proxy", "10.0.0.0/33", "::g"])
def test_what_is_no_address_of_a_proxy_is_said(word: str) -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        connections.networks((word,))


@pytest.mark.parametrize("path", [RUNS, "/login", "/settings/people", "/hooks/shop/web"])
@pytest.mark.parametrize(
    ("header", "parts"),
    [
        pytest.param("Content-Length: 99999999999", (), id="by its own word"),
        pytest.param("Transfer-Encoding: chunked", (CHUNK,) * 30, id="without a word"),
    ],
)
def test_a_body_without_end_is_refused(server: str, path: str, header: str, parts: tuple[bytes, ...]) -> None:
    answer = asyncio.run(said(server, post(path, header), *parts))
    assert answer[:12] in (b"HTTP/1.1 413", b"HTTP/1.1 400"), answer[:200]
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("path", [RUNS, "/hooks/shop/web"])
def test_a_body_that_does_not_come_is_not_waited_for(server: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WITHIN", 0.3)
    monkeypatch.setattr(hooks, "WITHIN", 0.3)
    answer = asyncio.run(said(server, post(path, "Content-Length: 100"), b"{"))
    assert b" 408 " in answer.split(b"\r\n")[0], answer[:200]


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",), id="half of the headers"),
        pytest.param((b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /"), id="half of a second request"),
    ],
)
def test_who_does_not_say_what_they_want_is_cut_off(
    server: str, begun: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADERS_WITHIN", 0.3)
    answer = asyncio.run(said(server, *begun))
    assert (b'"lives"' in answer) == (len(begun) == 2)


def test_a_slow_answer_is_no_reason_to_cut_off(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_WITHIN", 0.2)
    monkeypatch.setattr(bodies, "WITHIN", 20)
    body = b'{"ref": "main"}'

    async def slowly() -> bytes:
        where = urlsplit(server)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(post(RUNS, f"Content-Length: {len(body)}", "Connection: close"))
        for byte in body:
            await asyncio.sleep(0.05)
            writer.write(bytes((byte,)))
        answer = await reader.read(-1)
        writer.close()
        return answer

    assert b" 401 " in asyncio.run(slowly()).split(b"\r\n")[0]


def test_one_connection_too_many_is_closed(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.Connection, "most", 3)
    where = urlsplit(server)

    async def crowd() -> tuple[list[bytes], bytes]:
        first = [await asyncio.open_connection(where.hostname, where.port) for _ in range(3)]
        for reader, writer in first:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"lives")
        refused = await said(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        _, writer = first.pop()
        writer.close()
        await writer.wait_closed()
        lines = [refused]
        while not lines[-1]:  # the server hears of the end in its own time
            lines.append(await said(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        for _, writer in first:
            writer.close()
        return lines, lines[-1]

    lines, last = asyncio.run(crowd())
    assert lines[0] == b""
    assert b"lives" in last


def test_a_crowd_with_long_bodies_takes_no_more_memory_than_there_is_for_bodies(tmp_path: Path) -> None:
    statuses, grown = crowded(tmp_path, clients=20, megabytes=30)
    assert statuses <= {b"413", b"503"}, statuses
    assert grown < 350 * MEGABYTE, f"{grown / MEGABYTE:.0f} MB of the {2 * 20 * 30} that were sent"


def test_one_person_does_not_take_all_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_streams, "MOST_OF_ONE", 2)
    with serve(tmp_path) as served, web_server(served.app) as address:
        tokens = {login: served.token(served.person(login, (Role.VIEWER, "*", "*"))) for login in ("anna", "ben")}
        where = urlsplit(address)

        def asked(login: str, *more: str) -> bytes:
            lines = ("GET /live HTTP/1.1", "Host: x", f"Authorization: Bearer {tokens[login]}", *more, "", "")
            return "\r\n".join(lines).encode()

        async def follow(login: str) -> tuple[bytes, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write(asked(login))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " in head:
                await reader.readuntil(b"still here")
            return head.split(b" ")[1], writer

        async def all_of() -> list[bytes]:
            opened = [await follow(login) for login in ("anna", "anna", "anna", "ben")]
            for _, writer in opened:
                writer.close()
            return [status for status, _ in opened]

        assert asyncio.run(all_of()) == [b"200", b"200", b"429", b"200"]
