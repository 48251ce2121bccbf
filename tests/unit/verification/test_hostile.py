"""Servers that answer anything but what a Prometheus answers, and logs of a target in memory."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diagnostic import Position
from pipeline.errors import TargetError
from pipeline.model.check import Answer, Verdict
from pipeline.model.check_keys import compile_pattern, parse_check
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.value import Value
from pipeline.ports.target import Instance
from pipeline.ports.verification import Subject
from pipeline.targets.scripted import Place, ScriptedTarget
from pipeline.verification.log_lines import LOG_LIMIT, matching_lines
from pipeline.verification.probe import Probe

PROD = EnvironmentDefinition(name="prod", position=Position(file="p", line=1, column=1))
NEW = Instance(
    name="shop", image="r/shop@sha256:2", release="sha256:2", promotion="p2", serving=True, healthy=True,
    started=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def vector(*values: object) -> bytes:
    series = [{"metric": {}, "value": value} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}}).encode()


ANSWERS: dict[str, tuple[int, bytes]] = {
    "/good": (200, vector([1, "0.5"])),
    "/empty": (200, vector()),
    "/two": (200, vector([1, "1"], [1, "2"])),
    "/nan": (200, vector([1, "NaN"])),
    "/infinite": (200, vector([1, "-Inf"])),
    "/text": (200, vector([1, "lots"])),
    "/short": (200, vector([1])),
    "/null": (200, vector(None)),
    "/html": (200, b"<html>login</html>"),
    "/deep": (200, b"[" * 100_000),
    "/list": (200, b"[]"),
    "/half": (200, b'{"status": "success"}'),
    "/nothing": (200, b'{"status": "success", "data": {"resultType": "vector", "result": null}}'),
    "/bad": (400, b'{"status": "error", "errorType": "bad_data", "error": "parse\\n error"}'),
    "/busy": (503, b'{"status": "error", "error": "query timed out"}'),
    "/login": (401, b"who are you"),
    "/moved": (302, b""),
    "/huge": (200, b'{"status": "success", "data": "' + b"x" * (2 << 20) + b'"}'),
}


class Anything(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.partition("/api/v1/query?")[0]
        if path == "/headers":
            self._drip_headers()
            return
        status, body = ANSWERS.get(path, (200, b""))
        self.send_response(status)
        self.send_header("Location", "/good")
        self.end_headers()
        if path == "/drips":
            for _ in range(100):
                self.wfile.write(b" ")
                time.sleep(0.02)
        if path == "/mute":
            time.sleep(0.5)
        self.wfile.write(body)

    def _drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            for number in range(100):
                self.wfile.write(f"X-{number}: y\r\n".encode())
                self.wfile.flush()
                time.sleep(0.02)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Quiet: who asks hangs up."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = Server(("127.0.0.1", 0), Anything)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    thread.join()
    made.server_close()


def ask(item: Value, place: Place, secrets: tuple[str, ...] = ()) -> Answer:
    subject = Subject(target=ScriptedTarget(PROD, place=place), promotion="p2", secrets=secrets)
    return Probe(PROD, subject).ask(parse_check(item))


@pytest.mark.parametrize(
    ("path", "verdict", "seen"),
    [
        pytest.param("/good", "pass", "0.5", id="good"),
        pytest.param("/empty", "inconclusive", "no data", id="empty-vector"),
        pytest.param("/nan", "inconclusive", "no data (NaN)", id="nan"),
        pytest.param("/infinite", "pass", "-inf", id="infinite"),
        pytest.param("/two", "error", "the query gives 2 series", id="several"),
        pytest.param("/text", "error", "Prometheus gives no number", id="no-number"),
        pytest.param("/short", "error", "Prometheus gives no number", id="no-value"),
        pytest.param("/null", "error", "Prometheus gives no number", id="null"),
        pytest.param("/html", "error", "{url} does not answer like a Prometheus", id="html"),
        pytest.param("/deep", "error", "{url} does not answer like a Prometheus", id="deep"),
        pytest.param("/list", "error", "{url} does not answer like a Prometheus", id="list"),
        pytest.param("/huge", "error", "{url} does not answer like a Prometheus", id="huge"),
        pytest.param("/half", "error", "the query gives a None", id="half"),
        pytest.param("/nothing", "error", "the query gives a vector", id="null-vector"),
        pytest.param("/bad", "error", "Prometheus refuses the query: parse error", id="bad-query"),
        pytest.param("/busy", "error", "Prometheus refuses the query: query timed out", id="busy"),
        pytest.param("/login", "error", "Prometheus at {url}: status 401", id="login"),
        pytest.param("/moved", "error", "Prometheus at {url}: status 302", id="redirects-are-not-followed"),
        pytest.param("/mute", "error", "Prometheus at {url}: no answer within 300ms", id="mute"),
        pytest.param("/headers", "error", "Prometheus at {url}: no answer within 300ms", id="headers-without-end"),
        pytest.param("/drips", "error", "Prometheus at {url}: no answer within 300ms", id="drips"),
    ],
)
def test_what_a_server_may_answer(server: str, path: str, verdict: str, seen: str) -> None:
    item = {"within": "300ms", "prometheus": {"url": server + path, "query": "sum(errors)", "below": 1}}
    answer = ask(item, Place(instances=[NEW]))
    assert (answer.verdict.value, answer.seen[: len(seen.format(url=server + path))]) == (
        verdict,
        seen.format(url=server + path),
    )
    assert "query=sum%28errors%29&timeout=300ms" in Anything.asked[-1]


def test_a_name_that_would_break_out_of_the_query_is_not_put_into_it(server: str) -> None:
    before = len(Anything.asked)
    item = {"prometheus": {"url": server + "/good", "query": "e{name=~'$instances'}", "below": 1}}
    answer = ask(item, Place(instances=[replace(NEW, name="a'} or up{x='")]))
    assert (answer.verdict, "which no query can hold" in answer.seen) == (Verdict.ERROR, True)
    answer = ask({"prometheus": {"url": server, "query": "e{at='$addresses'}", "below": 1}}, Place(instances=[NEW]))
    assert (answer.verdict, answer.seen) == (Verdict.INCONCLUSIVE, "the target does not say $addresses")
    assert len(Anything.asked) == before


@pytest.mark.parametrize(
    ("log", "keys", "verdict", "sentence"),
    [
        pytest.param(b"all well\n", {}, "pass", "0 lines match, wants at most 0 lines", id="none"),
        pytest.param(
            b"ok\nERROR: token=s3cret-s3cret\n", {}, "fail",
            "1 line matches (shop: ERROR: token=***), wants at most 0 lines", id="one-without-secrets",
        ),
        pytest.param(b"ERROR 1\nERROR 2\n", {"max": 1}, "fail",
                     "2 lines match (shop: ERROR 2), wants at most 1 line", id="more-than-may-be"),
        pytest.param(b"ERROR 1\nERROR 2\n", {"max": 2}, "pass", "2 lines match, wants at most 2 lines", id="as-many"),
        pytest.param(b"\xff\xfe ERROR \x1b[31m\n", {}, "fail", "1 line matches", id="no-text"),
        pytest.param(b"a" * 30 + b"!\n", {"pattern": "^(a+)+$"}, "pass", "0 lines match", id="no-backtracking"),
        pytest.param(b"ERROR old\n" + b"x\n" * (LOG_LIMIT // 2), {}, "pass",
                     "0 lines match in the last 8 MiB, wants", id="only-so-much"),
    ],
)  # fmt: skip
def test_lines_of_a_log(log: bytes, keys: dict[str, Value], verdict: str, sentence: str) -> None:
    place = Place(instances=[NEW], logs={"p2": {"shop": log}, "p1": {"shop": b"ERROR of the old one"}})
    answer = ask({"log": {"pattern": "ERROR", **keys}}, place, secrets=("s3cret-s3cret",))
    assert (answer.verdict.value, answer.sentence[: len(sentence)]) == (verdict, sentence)


def test_a_log_that_nobody_has() -> None:
    assert ask({"log": {"pattern": "x"}}, Place()).sentence == "nothing serves, wants a log"
    broken = Place(instances=[NEW], errors={"logs": TargetError("no engine")})
    assert ask({"log": {"pattern": "x"}}, broken).verdict is Verdict.ERROR


@given(
    st.text(alphabet="ab\n ", max_size=40).map(str.encode),
    st.sampled_from(["a", "^a", "a$", r"a\s", "^$", "[^b]a", "(?i)A|^b"]),
)
def test_lines_are_found_as_if_each_were_looked_at(text: bytes, pattern: str) -> None:
    lines = text.split(b"\n")[: -1 if text.endswith(b"\n") else None] if text else []
    of_line = compile_pattern(pattern)
    assert list(matching_lines(text, pattern)) == [line for line in lines if of_line.search(line)]
