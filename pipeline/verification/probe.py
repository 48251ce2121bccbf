"""Asking each kind of check at an environment, whatever its target is."""

from __future__ import annotations

import socket
from dataclasses import replace
from time import monotonic
from typing import assert_never
from urllib.parse import urlsplit

from pipeline.errors import EcluseError
from pipeline.model.check import (
    DEFAULT_TIMEOUT,
    Answer,
    Check,
    CommandCheck,
    HealthCheck,
    HttpCheck,
    LogCheck,
    PrometheusCheck,
    TcpCheck,
    Verdict,
)
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.duration import spell_duration
from pipeline.model.hiding import hide
from pipeline.ports.verification import Subject
from pipeline.verification.versions import versions

CANNOT_RUN = (126, 127)
"""Exit codes of a shell or an engine that could not start the command."""


class Probe:
    """Asks checks. Addresses come from the environment's `url`, else from the target, once per round."""

    def __init__(self, environment: EnvironmentDefinition, subject: Subject, *, certificates: str = "") -> None:
        self._environment = environment
        self._subject = subject
        self._target = subject.target
        self._certificates = certificates

    def ask(self, check: Check) -> Answer:
        """One answer, without the secrets of the environment; what stands in the way of asking is an `error`, never
        an exception."""
        answer = self._ask(check)
        return replace(answer, seen=hide(answer.seen, self._subject.secrets))

    def _ask(self, check: Check) -> Answer:
        try:
            match check:
                case HttpCheck():
                    return self._http(check)
                case TcpCheck():
                    return self._tcp(check)
                case CommandCheck():
                    return self._command(check)
                case HealthCheck():
                    return self._health()
                case PrometheusCheck():
                    return self._prometheus(check)
                case LogCheck():
                    return self._log(check)
                case _:
                    assert_never(check)
        except EcluseError as error:
            return Answer(verdict=Verdict.ERROR, seen=error.message, wanted="")

    def _http(self, check: HttpCheck) -> Answer:
        from pipeline.verification.http import ask_http  # TLS takes a while to import, and most commands ask nobody

        if "://" in check.where:
            return ask_http(check, check.where, certificates=self._certificates)
        base = self._environment.url.rstrip("/")
        if not base:
            address = self._address()
            if isinstance(address, Answer):
                return address
            base = f"http://{address}"
        return ask_http(check, base + "/" + check.where.lstrip("/"), certificates=self._certificates)

    def _tcp(self, check: TcpCheck) -> Answer:
        host, _, port = check.where.rpartition(":")
        if not host:
            found = self._host()
            if isinstance(found, Answer):
                return found
            host = found
        began = monotonic()
        timeout = check.within or DEFAULT_TIMEOUT
        wanted = "a connection"
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout):
                spent = monotonic() - began
        except ValueError:
            return Answer(verdict=Verdict.ERROR, seen=f"'{check.where}' is not host:port", wanted="")
        except socket.gaierror as error:
            return Answer(verdict=Verdict.ERROR, seen=f"the name {host} is not known ({error.strerror})", wanted="")
        except TimeoutError:
            seen = f"no connection within {spell_duration(timeout)}"
            return Answer(verdict=Verdict.FAIL, seen=seen, wanted=wanted, seconds=monotonic() - began)
        except OSError as error:
            seen = (error.strerror or str(error)).lower()
            return Answer(verdict=Verdict.FAIL, seen=seen, wanted=wanted, seconds=monotonic() - began)
        return Answer(verdict=Verdict.PASS, seen="connected", wanted=wanted, seconds=spent)

    def _command(self, check: CommandCheck) -> Answer:
        began = monotonic()
        code, output = self._target.command(check.command, timeout=check.within or DEFAULT_TIMEOUT)
        spent = monotonic() - began
        if code == 0:
            return Answer(verdict=Verdict.PASS, seen="exit 0", wanted="exit 0", seconds=spent)
        last = output.strip().rpartition("\n")[2][:120]
        seen = f"exit {code}" + (f" ({last})" if last else "")
        if code in CANNOT_RUN:
            return Answer(verdict=Verdict.ERROR, seen=seen, wanted="", seconds=spent)
        return Answer(verdict=Verdict.FAIL, seen=seen, wanted="exit 0", seconds=spent)

    def _health(self) -> Answer:
        serving = self._target.observe().serving
        if not serving:
            return _nothing_serves("healthy")
        answers = [item.healthy for item in serving]
        if any(answer is False for answer in answers):
            return Answer(verdict=Verdict.FAIL, seen="unhealthy", wanted="healthy")
        if any(answer is None for answer in answers):
            return Answer(verdict=Verdict.ERROR, seen="the container has no health check", wanted="")
        return Answer(verdict=Verdict.PASS, seen="healthy", wanted="healthy")

    def _prometheus(self, check: PrometheusCheck) -> Answer:
        from pipeline.verification.prometheus import ask_prometheus  # TLS, as above

        new, old = versions(self._target.observe(), self._subject.promotion)
        if new is None:
            return _nothing_serves("a version to ask about")
        before = self._subject.since or new.started
        return ask_prometheus(check, new, old, before=before, certificates=self._certificates)

    def _log(self, check: LogCheck) -> Answer:
        from pipeline.verification.log_lines import ask_log

        new, _ = versions(self._target.observe(), self._subject.promotion)
        if new is None:
            return _nothing_serves("a log")
        return ask_log(check, self._target, new.promotion, since=self._subject.since)

    def _address(self) -> str | Answer:
        serving = self._target.observe().serving
        if not serving:
            return _nothing_serves("an answer")
        address = next((address for item in serving for address in item.addresses if ":" in address), "")
        if address:
            return address
        return Answer(
            verdict=Verdict.ERROR,
            seen=f"nobody says where environment '{self._environment.name}' is reached: write its `url`",
            wanted="",
        )

    def _host(self) -> str | Answer:
        if self._environment.url:
            return urlsplit(self._environment.url).hostname or "localhost"
        addresses = [address for item in self._target.observe().serving for address in item.addresses]
        if not addresses:
            return _nothing_serves("a connection")
        return addresses[0].rpartition(":")[0] or addresses[0]


def _nothing_serves(wanted: str) -> Answer:
    return Answer(verdict=Verdict.FAIL, seen="nothing serves", wanted=wanted)
