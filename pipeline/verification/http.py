"""An HTTP check: status, headers, body, JSON and latency of one answer, without following redirects."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from urllib.parse import urlsplit

from pipeline.model.check import DEFAULT_TIMEOUT, Answer, HttpCheck, Verdict
from pipeline.model.duration import spell_duration
from pipeline.model.value import Value

BODY_LIMIT = 1 << 20
"""Bytes of a body that are read; what must be in it has to stand there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What came back. At most BODY_LIMIT bytes of the body are there."""

    status: int
    headers: Message
    body: bytes


def ask_http(check: HttpCheck, url: str, *, certificates: str = "") -> Answer:
    """Ask once. The time is from before the connection to the last byte. `certificates`: a PEM bundle to trust."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Answer(verdict=Verdict.ERROR, seen=f"'{url}' is not an http address", wanted="")
    timeout = DEFAULT_TIMEOUT if check.within is None else max(check.within * 2, 1.0)
    began = monotonic()
    try:
        answer = fetch(url, method=check.method, timeout=timeout, certificates=certificates)
    except (OSError, HTTPException) as error:
        return _unanswered(check, error, monotonic() - began, timeout)
    spent = monotonic() - began
    return _judge(check, answer, spent)


def fetch(
    url: str,
    *,
    method: str = "GET",
    timeout: float,
    certificates: str = "",
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """One request to an http address, without following redirects. OSError (TimeoutError when it took longer) and
    HTTPException may leave."""
    parts = urlsplit(url)
    deadline = monotonic() + timeout
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout, certificates)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.connect()
        with _hung_up_at(deadline, connection.sock):
            connection.request(method, path, headers={"User-Agent": "ecluse", "Connection": "close", **(headers or {})})
            response = connection.getresponse()
            return Fetched(status=response.status, headers=response.headers, body=_read(response))
    finally:
        connection.close()


@contextmanager
def _hung_up_at(deadline: float, connected: socket.socket) -> Iterator[None]:
    """Hang up at the deadline: a server that sends a byte now and then never lets a socket's own timeout pass.

    Whatever comes of a block that took longer is a TimeoutError.
    """

    def hang_up() -> None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(max(deadline - monotonic(), 0.0), hang_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    except (OSError, HTTPException) as error:
        if monotonic() >= deadline:
            raise TimeoutError from error
        raise
    finally:
        watch.cancel()
    if monotonic() >= deadline:
        raise TimeoutError


def _connection(scheme: str, host: str, port: int | None, timeout: float, certificates: str) -> HTTPConnection:
    if scheme == "http":
        return HTTPConnection(host, port, timeout=timeout)
    context = ssl.create_default_context(cafile=certificates or None)
    return HTTPSConnection(host, port, timeout=timeout, context=context)


def _read(response: HTTPResponse) -> bytes:
    body = bytearray()
    while len(body) < BODY_LIMIT and (chunk := response.read1(min(65536, BODY_LIMIT - len(body)))):
        body += chunk
    return bytes(body)


def _unanswered(check: HttpCheck, error: Exception, spent: float, timeout: float) -> Answer:
    wanted = _spell(check.status)
    match error:
        case TimeoutError():
            seen = f"no answer within {spell_duration(timeout)}"
        case ConnectionRefusedError():
            seen = "connection refused"
        case socket.gaierror():
            return Answer(verdict=Verdict.ERROR, seen=f"the name is not known ({error.strerror})", wanted="")
        case ssl.SSLCertVerificationError():
            seen = f"certificate not trusted ({error.verify_message})"
        case _:
            seen = f"no proper answer ({str(error) or type(error).__name__})"
    return Answer(verdict=Verdict.FAIL, seen=seen, wanted=wanted, seconds=spent)


def _judge(check: HttpCheck, response: Fetched, spent: float) -> Answer:
    complaint = _complaint(check, response)
    if complaint:
        return Answer(verdict=Verdict.FAIL, seen=complaint[0], wanted=complaint[1], seconds=spent)
    if check.within is not None and spent > check.within:
        seen = f"answered in {spell_duration(spent)}"
        return Answer(verdict=Verdict.FAIL, seen=seen, wanted=spell_duration(check.within), seconds=spent)
    return Answer(verdict=Verdict.PASS, seen=f"status {response.status}", wanted=_spell(check.status), seconds=spent)


def _complaint(check: HttpCheck, response: Fetched) -> tuple[str, str] | None:
    """What was seen and what is wanted, of the first thing that is wrong."""
    body = response.body
    if response.status not in check.status:
        location = response.headers.get("Location", "")
        return f"status {response.status}" + (f" to {location}" if location else ""), _spell(check.status)
    for name, wanted in check.header.items():
        seen = response.headers.get(name)
        if seen is None or wanted not in seen:
            return f"header {name} " + ("missing" if seen is None else f"'{seen[:80]}'"), f"'{wanted}'"
    if check.body and check.body not in body.decode(errors="replace"):
        return f"body '{_short(body)}'", f"'{check.body}' in it"
    if check.has_json:
        try:
            value = json.loads(body)
        except ValueError:
            return f"body '{_short(body)}' is not JSON", "JSON"
        return json_difference(check.json, value)
    return None


def json_difference(wanted: Value, seen: Value, path: str = "") -> tuple[str, str] | None:
    """The first place where `seen` lacks what `wanted` has: objects may have more keys, lists must be equal."""
    if isinstance(wanted, Mapping):
        if not isinstance(seen, Mapping):
            return f"json {path or '.'} is {_value(seen)}", "an object"
        for key, value in wanted.items():
            if key not in seen:
                return f"json {path}.{key} is missing", _value(value)
            if found := json_difference(value, seen[key], f"{path}.{key}"):
                return found
        return None
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        wanted = list(wanted)
    same = wanted == seen and isinstance(wanted, bool) == isinstance(seen, bool)
    return None if same else (f"json {path or '.'} is {_value(seen)}", _value(wanted))


def _spell(status: tuple[int, ...]) -> str:
    return " or ".join(str(code) for code in status)


def _value(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:80]


def _short(body: bytes) -> str:
    text = " ".join(body[:400].decode(errors="replace").split())
    return text[:80] + ("…" if len(text) > 80 else "")
