"""What a server's answers mean to the command: right ones, wrong ones, hostile ones, and none."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from played import Played, played

from pipeline.errors import (
    EcluseError,
    ExitCode,
    NotFoundError,
    RefusedError,
    ServerBusyError,
    ServerError,
    SignInError,
    UsageError,
)
from pipeline.operations.access.me import Me
from pipeline.remote.connection import Connection
from pipeline.remote.servers import KnownServer

TOKEN = "ecl_0123456789"
PROBLEM = {"Content-Type": "application/problem+json"}
ME = {"login": "anna", "name": "Anna", "roles": [], "version": "9.9.9"}


@pytest.fixture
def server() -> Iterator[Played]:
    with played() as made:
        yield made


def asking(url: str) -> Connection:
    return Connection(KnownServer(name="team", url=url, token=TOKEN))


def problem(title: str, **more: object) -> bytes:
    return json.dumps({"type": "about:blank", "title": title, **more}).encode()


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "code", "said", "hint"),
    [
        pytest.param(
            401, PROBLEM, problem("this token counts no more"), SignInError, ExitCode.REFUSED,
            "does not know us: this token counts no more", "sign in anew: ecluse login http", id="401",
        ),
        pytest.param(
            403, PROBLEM, problem("anna is no developer of tea/shop", hint="ask an admin"), RefusedError,
            ExitCode.REFUSED, "anna is no developer of tea/shop", "ask an admin", id="403",
        ),
        pytest.param(
            404, PROBLEM, problem("there is no run '7'", hint="`ecluse runs` lists them"), NotFoundError,
            ExitCode.USAGE, "there is no run '7'", "`ecluse runs` lists them", id="404",
        ),
        pytest.param(
            404, PROBLEM, problem("Not Found"), ServerError, ExitCode.ERRORED,
            "it does not know this question", "bring the older", id="404 of an older server",
        ),
        pytest.param(
            409, PROBLEM, problem("somebody was quicker"), ServerError, ExitCode.ERRORED,
            "somebody was quicker", "try again", id="409",
        ),
        pytest.param(
            422, PROBLEM, problem("not as described", detail="query.limit: too much"), UsageError,
            ExitCode.USAGE, "not as described\nquery.limit: too much", "", id="422",
        ),
        pytest.param(
            429, {**PROBLEM, "Retry-After": "17"}, problem("too many"), ServerBusyError, ExitCode.ERRORED,
            "too many", "try again in 17 s", id="429",
        ),
        pytest.param(
            503, {**PROBLEM, "Retry-After": "soon"}, problem("draining"), ServerBusyError, ExitCode.ERRORED,
            "draining", "try again later", id="503 whose Retry-After says nothing",
        ),
        pytest.param(
            502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>", ServerBusyError, ExitCode.ERRORED,
            "answers 502 with text/html", "something before it", id="a proxy without a server",
        ),
        pytest.param(
            200, {"Content-Type": "text/html"}, b"<form>", ServerError, ExitCode.ERRORED,
            "answers with text/html instead of JSON", "sign in first", id="a proxy's page to sign in",
        ),
        pytest.param(
            302, {"Location": "https://sso.example.org/?next=\x1b[31m"}, b"", ServerError, ExitCode.ERRORED,
            "sends us to https://sso.example.org/", "your token was not sent there", id="a redirect",
        ),
        pytest.param(200, {}, b"{", ServerError, ExitCode.ERRORED, "no JSON", "", id="broken JSON"),
        pytest.param(200, {}, b"[" * 100_000, ServerError, ExitCode.ERRORED, "no JSON", "", id="JSON without end"),
        pytest.param(
            200, {"Content-Encoding": "gzip"}, b"x", ServerError, ExitCode.ERRORED, "compressed", "", id="a bomb",
        ),
        pytest.param(
            200, {}, b'{"login": 7}', ServerError, ExitCode.ERRORED, "is of another version", "bring the older",
            id="another shape",
        ),
        pytest.param(
            200, {}, b'{"login": "anna", "name": "", "roles": [{"role": "king"}], "version": "9.9.9"}', ServerError,
            ExitCode.ERRORED, "is of version 9.9.9, this command of", "bring the older", id="a word of a newer server",
        ),
        pytest.param(
            403, PROBLEM, problem("\x1b]0;owned\x07no\u202e", hint="\x9b31m"), RefusedError, ExitCode.REFUSED,
            "]0;ownedno", "31m", id="control sequences",
        ),
    ],
)  # fmt: skip
def test_wrong_answers_become_errors_that_say_what_to_do(
    server: Played,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    kind: type[EcluseError],
    code: ExitCode,
    said: str,
    hint: str,
) -> None:
    server.status, server.headers, server.body = status, headers, body
    with pytest.raises(kind) as caught:
        asking(server.url).noun(Me, "me")
    assert type(caught.value) is kind
    assert (caught.value.exit_code, said in caught.value.message) == (code, True), caught.value.message
    assert hint in caught.value.hint
    assert not set(caught.value.message + caught.value.hint) & set("\x1b\x07\x9b\u202e")
    assert TOKEN not in caught.value.message + caught.value.hint


def test_an_answer_becomes_what_the_server_spelled(server: Played) -> None:
    server.body = json.dumps({**ME, "of_a_newer_server": [1]}).encode()
    found = asking(server.url).noun(Me, "me")
    assert (found.login, found.version, found.limits) == ("anna", "9.9.9", None)
    [(method, path, headers)] = server.asked
    assert (method, path, headers["Authorization"]) == ("GET", "/api/v1/me", f"Bearer {TOKEN}")


def test_a_netrc_does_not_take_the_place_of_the_token(
    server: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.body = json.dumps(ME).encode()
    asking(server.url).noun(Me, "me")
    assert server.asked[0][2]["Authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_takes_the_token_nowhere(server: Played) -> None:
    with played() as other:
        server.status, server.headers = 307, {"Location": f"{other.url}/api/v1/me"}
        with pytest.raises(ServerError, match="sends us to"):
            asking(server.url).get("me")
        assert other.asked == []


@pytest.mark.parametrize(
    ("cut", "largest", "said"),
    [
        pytest.param(True, 1 << 20, "cannot be reached", id="cut off"),
        pytest.param(False, 50_000, "more than 48 KiB", id="too large"),
    ],
)
def test_answers_are_held_within_bounds(server: Played, cut: bool, largest: int, said: str) -> None:
    server.body, server.cut = b'"' + b"x" * 100_000 + b'"', cut
    with pytest.raises(ServerError, match=said):
        Connection(KnownServer(name="team", url=server.url, token=TOKEN), largest=largest).get("me")


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServerBusyError, match="cannot be reached") as caught:
            asking(url).get("me")
    assert url in caught.value.message
    assert "Connection refused" in caught.value.message
