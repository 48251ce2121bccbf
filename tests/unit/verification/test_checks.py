"""Checks against a real web server and a target in memory: four answers, and what a verification makes of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.diagnostic import Position
from pipeline.errors import CancelledError, TargetError
from pipeline.model.check import Answer, Check, HttpCheck, Verdict
from pipeline.model.check_keys import parse_check
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Instance
from pipeline.ports.verification import Schedule, Subject, Verification
from pipeline.targets.scripted import Place, ScriptedTarget
from pipeline.verification.http import json_difference
from pipeline.verification.probe import Probe
from pipeline.verification.rounds import verify

PAGES = {
    "/": (200, {"Content-Type": "text/plain; charset=utf-8"}, b"hello \xc3\xa9cluse"),
    "/health": (200, {"Content-Type": "application/json"}, b'{"status": "ok", "db": {"up": true, "lag": 3}}'),
    "/broken": (500, {}, b"oh no"),
    "/moved": (302, {"Location": "/"}, b""),
    "/endless": (200, {}, b"x" * (3 << 20) + b"the end"),
}  # fmt: skip


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(0.3)
        status, headers, body = PAGES.get(self.path, (404, {}, b"none")) if self.path != "/slow" else (200, {}, b"")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """host:port of the web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def environment(url: str = "") -> EnvironmentDefinition:
    return EnvironmentDefinition(name="dev", position=Position(file="p", line=1, column=1), url=url)


def place(*addresses: str, healthy: bool | None = None) -> Place:
    return Place(
        instances=[
            Instance(
                name="c", image="i", release="r", promotion="p", serving=True, healthy=healthy, addresses=addresses
            )
        ]
    )


def ask(item: Value, at: Place, *, url: str = "", secrets: tuple[str, ...] = ()) -> Answer:
    target = ScriptedTarget(environment(url), place=at)
    return Probe(environment(url), Subject(target=target, secrets=secrets)).ask(parse_check(item))


PASS, FAIL, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.ERROR


@pytest.mark.parametrize(
    ("item", "verdict", "sentence"),
    [
        pytest.param({"http": "/"}, PASS, "status 200, wants 200", id="status"),
        pytest.param({"http": "/broken"}, FAIL, "status 500, wants 200", id="wrong-status"),
        pytest.param({"http": "/broken", "status": 500}, PASS, "status 500, wants 500", id="other-status"),
        pytest.param({"http": "/nope", "status": [200, 204]}, FAIL, "status 404, wants 200 or 204", id="statuses"),
        pytest.param({"http": "/moved"}, FAIL, "status 302 to /, wants 200", id="redirects-are-not-followed"),
        pytest.param({"http": "/", "body": "écluse"}, PASS, "status 200, wants 200", id="body"),
        pytest.param({"http": "/", "body": "bye"}, FAIL, "body 'hello écluse', wants 'bye' in it", id="wrong-body"),
        pytest.param({"http": "/endless", "body": "end"}, FAIL, f"body '{'x' * 80}…', wants 'end' in it", id="limit"),
        pytest.param({"http": "/health", "json": {"db": {"up": True}}}, PASS, "status 200, wants 200", id="json"),
        pytest.param(
            {"http": "/health", "json": {"db": {"lag": 4}}}, FAIL, "json .db.lag is 3, wants 4", id="bad-json"
        ),
        pytest.param({"http": "/", "json": {}}, FAIL, "body 'hello écluse' is not JSON, wants JSON", id="no-json"),
        pytest.param(
            {"http": "/", "header": {"content-type": "text/plain"}}, PASS, "status 200, wants 200", id="header"
        ),
        pytest.param({"http": "/", "header": {"X-A": "b"}}, FAIL, "header X-A missing, wants 'b'", id="no-header"),
        pytest.param({"http": "/", "method": "HEAD", "body": "h"}, FAIL, "body '', wants 'h' in it", id="method"),
        pytest.param({"tcp": "9"}, FAIL, "connection refused, wants a connection", id="tcp-port-refused"),
        pytest.param({"tcp": "127.0.0.1:x"}, ERROR, "'127.0.0.1:x' is not host:port", id="tcp-nonsense"),
        pytest.param({"http": "ftp://x/"}, ERROR, "'ftp://x/' is not an http address", id="not-http"),
        pytest.param({"health": True}, ERROR, "the container has no health check", id="no-health-check"),
    ],
)
def test_an_answer_says_what_was_seen_and_wanted(site: str, item: Value, verdict: Verdict, sentence: str) -> None:
    answer = ask(item, place(site))
    assert (answer.verdict, answer.sentence) == (verdict, sentence)


def test_a_slow_answer_fails_where_it_may_not_be(site: str) -> None:
    assert ask({"http": "/slow", "within": "10s"}, place(site)).verdict is PASS
    slow = ask({"http": "/slow", "within": "100ms"}, place(site))
    assert slow.verdict is FAIL
    assert slow.wanted == "100ms"
    assert slow.seconds >= 0.3


def test_a_service_that_says_nothing_fails_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        answer = ask({"http": "/", "within": "50ms"}, place(f"127.0.0.1:{mute.getsockname()[1]}"))
    assert (answer.verdict, answer.seen) == (FAIL, "no answer within 1s")


def test_addresses_come_from_the_url_before_the_target(site: str) -> None:
    assert ask({"http": "/"}, place("127.0.0.1:9"), url=f"http://{site}").verdict is PASS
    assert ask({"http": f"http://{site}/"}, place("127.0.0.1:9")).verdict is PASS
    assert ask({"tcp": site.rpartition(":")[2]}, place(site)).verdict is PASS
    assert ask({"tcp": site}, Place()).verdict is PASS
    assert ask({"http": "/"}, Place()).sentence == "nothing serves, wants an answer"
    nowhere = ask({"http": "/"}, place())
    assert (nowhere.verdict, "write its `url`" in nowhere.seen) == (ERROR, True)


@pytest.mark.parametrize(
    ("healthy", "verdict"), [pytest.param(True, PASS, id="healthy"), pytest.param(False, FAIL, id="unhealthy")]
)
def test_the_containers_health(healthy: bool, verdict: Verdict) -> None:
    assert ask({"health": True}, place(healthy=healthy)).verdict is verdict


@pytest.mark.parametrize(
    ("code", "output", "verdict", "seen"),
    [
        pytest.param(0, "fine", PASS, "exit 0", id="good"),
        pytest.param(2, "a\nlast words: hush-hush", FAIL, "exit 2 (last words: ***)", id="bad-without-secrets"),
        pytest.param(127, "sh: nope: not found", ERROR, "exit 127 (sh: nope: not found)", id="not-there"),
        pytest.param(124, "no answer within 10s", FAIL, "exit 124 (no answer within 10s)", id="too-slow"),
    ],
)
def test_a_command_in_the_container(code: int, output: str, verdict: Verdict, seen: str) -> None:
    at = place()
    at.commands = lambda command: (code, output) if command == ("sh", "-c", "x y") else (99, "")
    answer = ask({"command": "x y"}, at, secrets=("hush-hush",))
    assert (answer.verdict, answer.seen) == (verdict, seen)


def test_a_target_that_cannot_be_asked_is_an_error() -> None:
    at = place()
    at.errors["command"] = TargetError("no engine")
    answer = ask({"command": ["true"]}, at)
    assert (answer.verdict, answer.seen) == (ERROR, "no engine")


@pytest.mark.parametrize(
    ("wanted", "seen", "difference"),
    [
        pytest.param({"a": 1}, {"a": 1, "b": 2}, None, id="more-keys-are-fine"),
        pytest.param({"a": 1}, {"a": 1.0}, None, id="numbers"),
        pytest.param({"a": True}, {"a": 1}, ("json .a is 1", "true"), id="true-is-not-one"),
        pytest.param({"a": {"b": 1}}, {"a": []}, ("json .a is []", "an object"), id="not-an-object"),
        pytest.param({"a": None}, {}, ("json .a is missing", "null"), id="null-is-not-missing"),
        pytest.param((1, 2), [1, 2], None, id="lists-are-equal"),
        pytest.param([1], [1, 2], ("json . is [1, 2]", "[1]"), id="lists-are-whole"),
    ],
)
def test_json_is_compared_by_what_is_wanted(wanted: Value, seen: Value, difference: object) -> None:
    assert json_difference(wanted, seen) == difference


@pytest.mark.parametrize("item", [{}, {"health": False}, {"command": []}, {"http": "/", "within": "soon"}, "http"])
def test_a_check_that_asks_nothing_is_refused(item: Value) -> None:
    with pytest.raises(ValueError, match=r"check|command|duration"):
        parse_check(item)


class Stopwatch(Cancellation):
    """Time that goes on only by waiting, so that hours pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        return self.time

    def wait(self, seconds: float | None) -> bool:
        self.time += seconds or 0.0
        return self.cancelled


A, B = HttpCheck(name="a", where="/a"), HttpCheck(name="b", where="/b")
GOOD = Answer(verdict=PASS, seen="status 200", wanted="200", seconds=0.2)
BAD = Answer(verdict=FAIL, seen="status 500", wanted="200", seconds=0.4)


def run(
    script: Sequence[Answer], schedule: Schedule, checks: tuple[Check, ...] = (A,)
) -> tuple[Verification, Stopwatch]:
    watch, answers = Stopwatch(), iter([*script, *[GOOD] * 100_000])
    found = verify(checks, schedule, ask=lambda _: next(answers), say=lambda _: None, clock=watch, cancel=watch)
    return found, watch


@pytest.mark.parametrize(
    ("script", "schedule", "verdict", "rounds", "took"),
    [
        pytest.param([], Schedule(), PASS, 1, 0, id="once"),
        pytest.param([], Schedule(lasting=30), PASS, 31, 30, id="every-second-for-thirty"),
        pytest.param([], Schedule(lasting=3600, every=60), PASS, 61, 3600, id="an-hour"),
        pytest.param([], Schedule(lasting=5, every=2), PASS, 4, 5, id="the-last-round-is-at-the-end"),
        pytest.param([GOOD, GOOD, BAD], Schedule(lasting=30), FAIL, 3, 2, id="ends-with-the-first-bad-round"),
        pytest.param([BAD], Schedule(), FAIL, 1, 0, id="no-grace"),
        pytest.param([BAD, BAD], Schedule(grace=5), PASS, 1, 1, id="grace-is-not-kept"),
        pytest.param([BAD] * 50, Schedule(grace=5), FAIL, 1, 5, id="grace-ends"),
        pytest.param([BAD, GOOD, BAD], Schedule(lasting=9, grace=60), FAIL, 2, 1.5, id="grace-ends-with-a-good-round"),
    ],
)
def test_how_long_and_how_often(
    script: list[Answer], schedule: Schedule, verdict: Verdict, rounds: int, took: float
) -> None:
    found, watch = run(script, schedule)
    assert (found.verdict, len(found.answers), watch.time) == (verdict, rounds, took)
    assert len(found.measurements) == rounds


@pytest.mark.parametrize(
    ("script", "sentence", "verdict"),
    [
        pytest.param([GOOD, GOOD], "2 checks passed", PASS, id="all-good"),
        pytest.param([BAD, GOOD], "a: status 500, wants 200 (1 of 2 checks failed)", FAIL, id="first-bad"),
        pytest.param(
            [Answer(verdict=ERROR, seen="no engine", wanted=""), BAD],
            "b: status 500, wants 200 (1 of 2 checks failed)",
            FAIL,
            id="fail-before-error",
        ),
        pytest.param(
            [GOOD, Answer(verdict=ERROR, seen="no engine", wanted="")],
            "b: no engine (1 of 2 checks could not be made)",
            ERROR,
            id="error",
        ),
        pytest.param(
            [GOOD, Answer(verdict=Verdict.INCONCLUSIVE, seen="no data", wanted="")],
            "b: no data (1 of 2 checks had no clear answer)",
            Verdict.INCONCLUSIVE,
            id="inconclusive",
        ),
    ],
)
def test_the_verdict_in_one_sentence(script: list[Answer], sentence: str, verdict: Verdict) -> None:
    found, _ = run(script, Schedule(), (A, B))
    assert (found.sentence, found.verdict) == (sentence, verdict)


def test_nothing_asked_never_passes() -> None:
    assert (Verification().verdict, Verification().sentence) == (Verdict.INCONCLUSIVE, "nothing was checked")


def test_supervision_gets_the_worst_answer_of_each_check() -> None:
    found, _ = run([GOOD, GOOD, GOOD, BAD], Schedule(lasting=9), (A, B))
    a, b = found.results(environment="dev", service="shop", release="r", run="1")
    assert (a.check, a.level, a.message) == ("a", "ok", "status 200")
    assert (b.check, b.level, b.message) == ("b", "critical", "status 500, wants 200")
    assert b.seconds == pytest.approx(0.3)


def test_a_cancel_ends_it() -> None:
    watch = Stopwatch()

    def answer(_: Check) -> Answer:
        watch.cancel("enough")
        return replace(GOOD)

    with pytest.raises(CancelledError, match="enough"):
        verify((A, B), Schedule(lasting=60), ask=answer, say=lambda _: None, clock=watch, cancel=watch)
