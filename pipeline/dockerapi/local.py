"""The requests of every run, straight over the socket of an engine on this machine.

Importing the docker client takes a third of a container's start, and each of its requests five times the work of a
plain one, on the processors that the engine starts containers with. So what a run asks for stage by stage goes by
`http.client`; all else is the docker client's, which is loaded when it is first needed.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from docker import APIClient

PREFIX = "unix://"
JSON = {"Content-Type": "application/json"}
BAD, MISSING = 400, 404
SILENT = 120.0
"""Seconds that the engine may stay silent within one answer, unless it is told to wait for something."""


class LostError(ConnectionError):
    """The connection could not be made, or was lost; the cause says how."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An answer that is an error, as the docker client's errors want it."""

    status_code: int
    reason: str
    url: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hijacked:
    """A connection that has become a raw stream."""

    socket: socket.socket
    source: Any
    """A buffered reader of the stream."""
    close: Callable[[], None]


class _Connection(HTTPConnection):
    """HTTP over a local socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=SILENT)
        self._path = path

    def connect(self) -> None:
        """As HTTPConnection, which would resolve a name."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    @property
    def stale(self) -> bool:
        """Whether the engine has closed it, or says something that nobody asked for."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))


class LocalClient:
    """Takes the place of a `docker.APIClient`: the same names and errors. May be used by several threads."""

    def __init__(self, place: str, *, full: Callable[[], APIClient]) -> None:
        """`full` makes the docker client for the same engine."""
        self._path = place.removeprefix(PREFIX)
        self._make_full = full
        self._full: APIClient | None = None
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self.api_version = ""

    def __getattr__(self, name: str) -> Any:
        """What is not here is the docker client's."""
        if name.startswith("__"):
            raise AttributeError(name)
        with self._lock:
            if self._full is None:
                self._full = self._make_full()
        return getattr(self._full, name)

    def close(self) -> None:
        """Let go of the connections that nobody uses just now; the next question opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
            full, self._full = self._full, None
        for connection in idle:
            connection.close()
        if full is not None:
            full.close()

    def greet(self) -> str:
        """The API version that the engine speaks; "" when it is none."""
        connection, answer = self._send("GET", "/_ping", None, SILENT)
        self._read(connection, answer)
        self.api_version = answer.headers.get("Api-Version", "")
        return self.api_version

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: object = None,
        silent: float | None = SILENT,
    ) -> Any:
        """The JSON answer; None where there is none. Raises the docker client's errors, or LostError."""
        target = self._target(path) + (f"?{urlencode(params)}" if params else "")
        content = None if body is None else json.dumps(body).encode()
        connection, answer = self._send(method, target, content, silent)
        text = self._read(connection, answer)
        if answer.status >= BAD:
            _refuse(Refusal(status_code=answer.status, reason=answer.reason, url=target, text=text.decode()))
        return json.loads(text) if text else None

    def look(self, path: str, *, silent: float) -> Any:
        """The JSON answer to a question; None where there is no such thing, or no answer that can be understood.

        Raises LostError. Never loads the docker client.
        """
        connection, answer = self._send("GET", self._target(path), None, silent)
        text = self._read(connection, answer)
        if answer.status >= BAD:
            return None
        try:
            return json.loads(text)
        except ValueError:
            return None

    def hijack(self, path: str, params: Mapping[str, object], body: object = None) -> Hijacked:
        """POST, then speak raw over the same connection. Raises the docker client's errors, or LostError."""
        target = self._target(path) + (f"?{urlencode(params)}" if params else "")
        connection = _Connection(self._path)
        content = None if body is None else json.dumps(body).encode()
        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        try:
            connection.request("POST", target, content, headers | (JSON if content is not None else {}))
            raw = connection.sock
            raw.settimeout(None)
            answer = connection.getresponse()
            text = answer.read() if answer.status >= BAD else b""
        except (OSError, HTTPException) as error:
            connection.close()
            raise LostError(str(error)) from error
        if answer.status >= BAD:
            connection.close()
            _refuse(Refusal(status_code=answer.status, reason=answer.reason, url=target, text=text.decode()))

        def close() -> None:
            answer.close()
            connection.close()

        return Hijacked(socket=raw, source=answer.fp, close=close)

    def info(self) -> Any:
        """What the engine says of itself."""
        return self.ask("GET", "/info")

    def start(self, container: str) -> None:
        """Start a created container."""
        self.ask("POST", f"/containers/{container}/start")

    def wait(self, container: str, timeout: float | None = None) -> Any:
        """Its exit, as soon as it has ended."""
        return self.ask("POST", f"/containers/{container}/wait", silent=timeout)

    def inspect_container(self, container: str) -> Any:
        """All that the engine knows of it."""
        return self.ask("GET", f"/containers/{container}/json")

    def remove_container(self, container: str, v: bool = False, force: bool = False) -> None:
        """With its anonymous volumes if `v`; one that runs only by `force`."""
        self.ask("DELETE", f"/containers/{container}", params={"v": int(v), "force": int(force)})

    def containers(self, *, all: bool = False, filters: Mapping[str, object] | None = None) -> Any:  # noqa: A002 - theirs
        """Those that match."""
        return self.ask("GET", "/containers/json", params={"all": int(all), "filters": _filters(filters)})

    def networks(self, *, names: Sequence[str] = (), filters: Mapping[str, object] | None = None) -> Any:
        """Those that match."""
        wanted = {**(filters or {}), **({"name": list(names)} if names else {})}
        return self.ask("GET", "/networks", params={"filters": _filters(wanted)})

    def remove_network(self, network: str) -> None:
        """One that nobody has joined."""
        self.ask("DELETE", f"/networks/{network}")

    def volumes(self, *, filters: Mapping[str, object] | None = None) -> Any:
        """Those that match."""
        return self.ask("GET", "/volumes", params={"filters": _filters(filters)})

    def create_volume(
        self,
        name: str,
        driver: str = "local",
        driver_opts: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Any:
        """It, or the old one of that name."""
        body = {"Name": name, "Driver": driver, "DriverOpts": driver_opts or {}, "Labels": labels or {}}
        return self.ask("POST", "/volumes/create", body=body)

    def remove_volume(self, name: str, force: bool = False) -> None:
        """One that no container has."""
        self.ask("DELETE", f"/volumes/{name}", params={"force": int(force)})

    def _target(self, path: str) -> str:
        return f"/v{self.api_version}{quote(path, safe='/:@')}"

    def _send(
        self, method: str, target: str, content: bytes | None, silent: float | None
    ) -> tuple[_Connection, HTTPResponse]:
        connection = self._free()
        headers = JSON if content is not None else {}
        try:
            connection.timeout = silent
            if connection.sock is not None:
                connection.sock.settimeout(silent)
            connection.request(method, target, content, headers)
            return connection, connection.getresponse()
        except (OSError, HTTPException) as error:
            connection.close()
            raise LostError(str(error)) from error

    def _read(self, connection: _Connection, answer: HTTPResponse) -> bytes:
        """The whole body; then the connection is free again."""
        try:
            content = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise LostError(str(error)) from error
        if connection.sock is not None:
            with self._lock:
                self._idle.append(connection)
        return content

    def _free(self) -> _Connection:
        """A connection that nobody uses."""
        while True:
            with self._lock:
                found = self._idle.pop() if self._idle else None
            if found is None:
                return _Connection(self._path)
            if not found.stale:
                return found
            found.close()


def _filters(wanted: Mapping[str, object] | None) -> str:
    return json.dumps({key: value if isinstance(value, list) else [value] for key, value in (wanted or {}).items()})


def _refuse(answer: Refusal) -> None:
    """Raise what the docker client raises for such an answer."""
    from docker.errors import APIError, ImageNotFound, NotFound

    try:
        words = str(json.loads(answer.text)["message"])
    except (ValueError, KeyError, TypeError):
        words = answer.text.strip()
    kind: type[APIError] = APIError
    if answer.status_code == MISSING:
        kind = ImageNotFound if "no such image" in words.lower() else NotFound
    shown: Any = answer
    raise kind(f"{answer.status_code} {answer.reason} for {answer.url}", response=shown, explanation=words)
