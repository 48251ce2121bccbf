"""Webhooks of forges: `POST /hooks/{owner}/{name}`, answered once they are on the disk.

A layer in front of all routes: forges send bursts, and sign in by their signature alone, so nothing of what people's
requests need stands in their way.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import DiskFullError, EcluseError, RecordsError, StorageError
from pipeline.model.incoming import HookDelivery
from pipeline.ports.application import Application
from pipeline.web.arrival import UNREADABLE, Arrival
from pipeline.web.hook_keys import HookKeys
from pipeline.web.problems import status_of
from pipeline.web.reception import Reception
from pipeline.web.wrong_signatures import WrongSignatures

PREFIX = "/hooks/"
LIMIT = 25 * 1024**2
"""Bytes of a body; what GitHub sends at most."""
HELD = 256 * 1024**2
"""Bytes of all bodies that are under way together: they come from strangers until their signature is checked."""
LARGE = 256 * 1024
"""Bytes of a body from which on it is checked and read in a thread."""
WITHIN = 30.0
"""Seconds within which a body has to be there."""
_LONGEST_HEADER = 4096
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_SAFE = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_LOG = logging.getLogger(__name__)


class NotTakenError(Exception):
    """The answer to a request that brings no delivery."""

    def __init__(self, status: int, title: str, *, hint: str = "", wait: int = 0) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.hint = hint
        self.wait = wait


class Hooks:
    """An ASGI layer: what is below `/hooks/` is answered here, everything else by the application within."""

    def __init__(self, app: ASGIApp, *, application: Application) -> None:
        self._app = app
        self._door = application
        self._keys = HookKeys(application)
        self._wrong = WrongSignatures()
        self._reception: Reception | None = None
        self._held = 0
        self._held_of: dict[str, int] = {}
        """The same by address: no one may take all the room there is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """202 once it is kept, 200 for one that is known, 204 for what means nothing here, 400 for what no forge
        writes, 401 for a wrong signature and, alike, for a repository that nobody looks after, 408, 413, 429, 503."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        try:
            status, body = await self._taken(scope, receive)
            await _answer(send, status, body)
        except NotTakenError as error:
            await _refuse(send, error)
        except EcluseError as error:
            await _refuse(send, _not_kept(error))
        except Exception:  # noqa: BLE001  # whatever it is, the forge gets an answer
            _LOG.exception("a webhook met a mistake of ours")
            await _refuse(send, NotTakenError(500, "the server made a mistake", hint="its log has the details"))

    async def _taken(self, scope: Scope, receive: Receive) -> tuple[int, Mapping[str, str] | None]:
        name = _name(scope)
        address = str(scope["client"][0]) if scope.get("client") else ""
        clock = self._door.clock
        wait = self._wrong.wait(address, clock.monotonic())
        if wait:
            raise NotTakenError(429, "too many wrong signatures from this address", wait=wait)
        headers = {
            key.decode("latin-1"): value.decode("latin-1")
            for key, value in scope["headers"]
            if len(value) < _LONGEST_HEADER
        }
        try:
            async with asyncio.timeout(WITHIN):
                body = await self._body(headers, receive, address)
        except TimeoutError:
            raise NotTakenError(408, f"the webhook's body was not there within {WITHIN:.0f} s") from None
        key = await self._keys.of(name)
        arrival = Arrival(name, headers, body, self._door.clock.now())
        read = await asyncio.to_thread(arrival.read, key) if len(body) > LARGE else arrival.read(key)
        if read is None:
            self._wrong.note(address, clock.monotonic())
            raise NotTakenError(
                401,
                "the signature does not hold",
                hint="compare the webhook's address and secret with what `ecluse repository show` says",
            )
        if not isinstance(read, HookDelivery):
            return 204, None
        return await self._kept(read)

    async def _kept(self, delivery: HookDelivery) -> tuple[int, Mapping[str, str]]:
        if self._reception is None:
            self._reception = Reception(self._door.intake)
        new = await self._reception.keep(delivery)
        if delivery.decision.startswith(UNREADABLE):
            title = delivery.decision.removeprefix(UNREADABLE)
            raise NotTakenError(400, title, hint="it is kept: `ecluse hook list` shows it")
        return (202, {"state": "received", "delivery": delivery.id}) if new else (200, {"state": "known"})

    async def _body(self, headers: Mapping[str, str], receive: Receive, address: str) -> bytes:
        """The body. 413 for one that is too long, 503 where too many are under way."""
        said = headers.get("content-length", "0")
        self._room(int(said) if said.isascii() and said.isdigit() and len(said) < 20 else LIMIT + 1, address)
        parts: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise NotTakenError(400, "the request ended before its body did")
                part = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(part)
                self._hold(address, len(part))
                self._room(size, address)
                parts.append(part)
        finally:
            self._hold(address, -size)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hold(self, address: str, size: int) -> None:
        self._held += size
        held = self._held_of.pop(address, 0) + size
        if held:
            self._held_of[address] = held

    def _room(self, size: int, address: str) -> None:
        if size > LIMIT:
            raise NotTakenError(413, f"a webhook has at most {LIMIT // 1024**2} MB")
        if self._held > HELD or self._held_of.get(address, 0) > HELD // 2:
            raise NotTakenError(503, "too many webhooks are under way", wait=5)


def _not_kept(error: EcluseError) -> NotTakenError:
    """A database that is away and a disk that is full are to be tried again; what a stranger reads says no more."""
    if isinstance(error, RecordsError | StorageError | DiskFullError):
        _LOG.error("a webhook cannot be kept: %s", error.message)
        return NotTakenError(503, "it cannot be kept now", hint="send it again; the server's log says why", wait=5)
    return NotTakenError(status_of(error), error.message, hint=error.hint, wait=5)


def _name(scope: Scope) -> str:
    """`owner/name`, whoever has it."""
    parts = scope["path"].removeprefix(PREFIX).split("/")
    if len(parts) != 2 or not all(parts):
        raise NotTakenError(404, "a webhook's address is /hooks/OWNER/NAME")
    if scope["method"] != "POST":
        raise NotTakenError(405, "a webhook is a POST")
    return unquote("/".join(parts))[:250]


async def _refuse(send: Send, error: NotTakenError) -> None:
    body = {"type": "about:blank", "status": error.status, "title": error.title, "hint": error.hint}
    more = [(b"retry-after", str(error.wait).encode())] if error.wait else []
    if error.status == 405:
        more.append((b"allow", b"POST"))
    if error.status in (408, 413, 429, 503):
        more.append((b"connection", b"close"))  # the rest of its body is not read
    await _answer(send, error.status, {key: value for key, value in body.items() if value}, kind=_PROBLEM, more=more)


async def _answer(
    send: Send,
    status: int,
    body: Mapping[str, object] | None,
    *,
    kind: tuple[bytes, bytes] = _JSON,
    more: list[tuple[bytes, bytes]] | None = None,
) -> None:
    content = json.dumps(body).encode() if body is not None else b""
    headers = [*_SAFE, *(more or ())]
    if body is not None:
        headers += [kind, (b"content-length", str(len(content)).encode())]
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": content})
