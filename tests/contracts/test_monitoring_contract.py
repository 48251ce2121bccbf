"""Sinks against the real servers: what was published is what the server says it has."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time

import pytest
from environment.nagios import Nagios, Nsca
from environment.prometheus import Prometheus, Pushgateway
from environment.servers import free_port

from pipeline.errors import MonitoringError
from pipeline.model.value import Options
from pipeline.monitoring import build_sinks
from pipeline.monitoring.webhook import SIGNATURE, WebhookSink
from pipeline.ports.monitoring import CheckResult

RELEASE = "sha256:" + "ab" * 32


@dataclass(frozen=True)
class Known:
    values: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, *, environment: str = "") -> str | None:
        return self.values.get(name)


def result(check: str = "http /healthz", level: str = "ok", message: str = "status 200", **more: object) -> CheckResult:
    facts = {"environment": "dev", "service": "shop", "seconds": 0.125, "release": RELEASE, "run": "01run"} | more
    return CheckResult(check=check, level=level, message=message, time=datetime.now(UTC), **facts)  # type: ignore[arg-type]


def publish(options: Options, *results: CheckResult, secrets: Mapping[str, str] | None = None) -> None:
    for sink in build_sinks([options], secrets=Known(secrets or {})):
        sink.publish(results)


def test_prometheus_can_be_asked_for_what_was_pushed(pushgateway: Pushgateway, prometheus: Prometheus) -> None:
    options: Options = {"prometheus": {"pushgateway": pushgateway.url}}
    before = time()
    publish(options, result("http /a b?c"), result("tcp 5432", "critical", "connection refused"))

    (labels, up), *more = prometheus.await_series('ecluse_check_up{check="http /a b?c"}')
    assert (up, more) == (1.0, [])
    assert (labels["environment"], labels["service"], labels["release"]) == ("dev", "shop", RELEASE)
    assert prometheus.await_series('ecluse_check_up{check="tcp 5432"}')[0][1] == 0.0
    assert prometheus.await_series('ecluse_check_seconds{check="tcp 5432"}')[0][1] == 0.125
    assert prometheus.await_series('ecluse_check_time_seconds{check="tcp 5432"}')[0][1] >= before - 1


def test_a_later_result_replaces_the_one_before(pushgateway: Pushgateway) -> None:
    options: Options = {"prometheus": {"pushgateway": pushgateway.url + "/", "job": "replaced"}}
    publish(options, result("late", release="sha256:old"))
    publish(options, result("late", "critical", release="sha256:new"), result("other"))
    lines = [
        line for line in pushgateway.metrics().splitlines()
        if line.startswith("ecluse_check_up{") and 'job="replaced"' in line and 'check="late"' in line
    ]  # fmt: skip
    assert len(lines) == 1
    assert 'release="sha256:new"' in lines[0]
    assert lines[0].endswith(" 0")


@pytest.mark.parametrize(
    ("level", "state"),
    [
        pytest.param("ok", 0, id="ok"),
        pytest.param("warning", 1, id="warning"),
        pytest.param("critical", 2, id="critical"),
        pytest.param("unknown", 3, id="unknown"),
    ],
)
def test_nagios_takes_every_level_from_its_command_file(nagios: Nagios, level: str, state: int) -> None:
    options: Options = {"nagios": {"command_file": str(nagios.command_file), "host": nagios.host}}
    publish(options, result("smoke-http", level, f"said {level}; really"))
    check = nagios.await_check("smoke-http", state=state)
    assert check.output == f"{level.upper()}: smoke-http: said {level}, really (release {'ab' * 6})"
    assert check.perfdata == "'smoke-http'=0.125000s"


def test_one_nagios_service_for_all_checks_has_the_worst_state(nagios: Nagios) -> None:
    options: Options = {"nagios": {"command_file": str(nagios.command_file), "host": nagios.host, "service": "smoke"}}
    publish(options, result("a"), result("b", "critical", "status 500, wants 200 | x\ny"), result("c", "unknown", "?"))
    check = nagios.await_check("smoke", state=2)
    assert check.output == f"CRITICAL: b: status 500, wants 200 / x y (release {'ab' * 6})"
    assert check.perfdata == "'a'=0.125000s 'b'=0.125000s 'c'=0.125000s"


def test_a_pipe_that_nobody_reads_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    pipe = tmp_path / "nagios.cmd"
    os.mkfifo(pipe)
    with pytest.raises(MonitoringError, match="nobody reads it"):
        publish({"nagios": {"command_file": str(pipe), "host": "h"}}, result())


def test_a_full_pipe_ends_in_an_error_and_not_in_a_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.monitoring.nagios.TIMEOUT", 0.2)
    pipe = tmp_path / "nagios.cmd"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(MonitoringError, match="full"):
            publish({"nagios": {"command_file": str(pipe), "host": "h"}}, *[result(message="x" * 3000)] * 100)
    finally:
        os.close(reader)


@pytest.mark.parametrize("state", [pytest.param(2, id="critical"), pytest.param(0, id="ok")])
def test_nagios_has_what_was_sent_by_nsca_with_xor(nsca: Nsca, state: int) -> None:
    options: Options = {
        "nagios": {
            "nsca": f"{nsca.host}:{nsca.port}",
            "host": nsca.nagios.host,
            "encryption": "xor",
            "password": "NSCA",
        }
    }
    level = {0: "ok", 2: "critical"}[state]
    publish(options, result("smoke-tcp", level, "écluse ouverte"), secrets={"NSCA": nsca.password})
    check = nsca.nagios.await_check("smoke-tcp", state=state)
    assert check.output == f"{level.upper()}: smoke-tcp: écluse ouverte (release {'ab' * 6})"


def test_nagios_has_what_was_sent_by_nsca_without_encryption(nsca_plain: Nsca) -> None:
    host = nsca_plain.nagios.host
    options: Options = {"nagios": {"nsca": f"{nsca_plain.host}:{nsca_plain.port}", "host": host, "service": "smoke"}}
    publish(options, result("plain", "warning", "x" * 3000))
    assert nsca_plain.nagios.await_check("smoke", state=1).output.startswith("WARNING: plain: xxxx")


@dataclass
class Receiver:
    """A web server that keeps what it is posted, and answers the statuses of its script."""

    url: str
    statuses: list[int]
    requests: list[tuple[Mapping[str, str], bytes]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver(url="", statuses=[], requests=[])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.requests.append((dict(self.headers), body))
            self.send_response(kept.statuses.pop(0) if kept.statuses else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/hook?token=hush-hush"
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_json_with_a_signature(receiver: Receiver) -> None:
    options: Options = {"webhook": {"url": receiver.url, "headers": {"X-Team": "shop"}, "secret": "HOOK"}}
    publish(options, result("a"), result("b", "critical", "né"), secrets={"HOOK": "open sesame"})
    ((headers, body),) = receiver.requests
    told = json.loads(body)["results"]
    assert [(item["check"], item["level"], item["message"]) for item in told] == [
        ("a", "ok", "status 200"),
        ("b", "critical", "né"),
    ]
    assert headers["X-Team"] == "shop"
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"open sesame", body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("statuses", "posts", "error"),
    [
        pytest.param([503, 429, 200], 3, "", id="busy-twice"),
        pytest.param([500, 500, 500], 3, "status 500", id="always-broken"),
        pytest.param([403], 1, "status 403", id="refused-is-not-repeated"),
        pytest.param([302], 1, "status 302", id="redirects-are-not-followed"),
    ],
)
def test_a_webhook_is_tried_again_where_that_may_help(
    receiver: Receiver, statuses: list[int], posts: int, error: str
) -> None:
    receiver.statuses[:] = statuses
    sink = WebhookSink(url=receiver.url, pauses=(0.0, 0.0))
    if error:
        with pytest.raises(MonitoringError, match=error) as caught:
            sink.publish((result(),))
        assert "hush" not in caught.value.message + caught.value.hint + repr(sink)
    else:
        sink.publish((result(),))
    assert len(receiver.requests) == posts


DEAD: list[tuple[str, Callable[[int], Options]]] = [
    ("pushgateway", lambda port: {"prometheus": {"pushgateway": f"http://127.0.0.1:{port}"}}),
    ("nsca", lambda port: {"nagios": {"nsca": f"127.0.0.1:{port}", "host": "h"}}),
]


@pytest.mark.parametrize("options", [pytest.param(make, id=name) for name, make in DEAD])
def test_a_server_that_is_not_there_is_an_error_with_a_hint(options: Callable[[int], Options]) -> None:
    with pytest.raises(MonitoringError, match="refused") as caught:
        publish(options(free_port()), result())
    assert caught.value.hint
