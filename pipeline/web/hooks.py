"""Webhooks of forges: `POST /hooks/{owner}/{name}`, answered once they are on the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pipeline.errors import UsageError
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery, HookState
from pipeline.model.ulid import ulid
from pipeline.ports.application import Application
from pipeline.ports.forge import Forge
from pipeline.web.access.asking import public
from pipeline.web.hook_keys import HookKey, HookKeys
from pipeline.web.problems import problem
from pipeline.web.reception import Reception
from pipeline.web.wrong_signatures import WrongSignatures

LIMIT = 25 * 1024**2
"""Bytes of a body; what GitHub sends at most."""
HELD = 256 * 1024**2
"""Bytes of all bodies that are under way together: they come from strangers until their signature is checked."""
LARGE = 256 * 1024
"""Bytes of a body from which on it is checked and read in a thread."""
KEY_LIMIT = 200
_WAIT = {"Retry-After": "5"}

router = APIRouter(dependencies=[Depends(public("forges prove themselves by a signature", audited=False))])


class HookDoor:
    """What the route needs from one request to the next."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.keys = HookKeys(application)
        self.reception = Reception(application.intake)
        self.wrong = WrongSignatures()
        self.held = 0

    async def body(self, request: Request) -> bytes:
        """The body. 413 for one that is too long, 503 where too many are under way."""
        parts: list[bytes] = []
        size = 0
        if request.headers.get("content-length", "0").isdecimal():
            self._room(int(request.headers.get("content-length", "0")[:20]))
        try:
            async for part in request.stream():
                size += len(part)
                self.held += len(part)
                self._room(size)
                parts.append(part)
        except ClientDisconnect as error:
            raise HTTPException(400, "the request ended before its body did") from error
        finally:
            self.held -= size
        return b"".join(parts)

    def _room(self, size: int) -> None:
        if size > LIMIT:
            raise HTTPException(413, f"a webhook has at most {LIMIT // 1024**2} MB", headers={"Connection": "close"})
        if self.held > HELD:
            raise HTTPException(503, "too many webhooks are under way", headers={**_WAIT, "Connection": "close"})


@router.api_route("/hooks/{owner}/{name}", methods=["POST"], include_in_schema=False)
async def hook(request: Request, owner: str, name: str) -> Response:
    """202 once it is kept, 200 for one that is known, 204 for what means nothing here, 400 for what no forge writes,
    401 for a wrong signature and, alike, for a repository that nobody looks after."""
    door: HookDoor = door_of(request)
    address = request.client.host if request.client else ""
    clock = door.application.clock
    wait = door.wrong.wait(address, clock.monotonic())
    if wait:
        raise HTTPException(429, "too many wrong signatures from this address", headers={"Retry-After": str(wait)})
    body = await door.body(request)
    headers = {key: value for key, value in request.headers.items() if len(value) < 4096}
    key = await door.keys.of(f"{owner}/{name}")
    arrived = _Arrived(f"{owner}/{name}", headers, body, door.application)
    outcome = await asyncio.to_thread(arrived.read, key) if len(body) > LARGE else arrived.read(key)
    match outcome:
        case None:
            door.wrong.note(address, clock.monotonic())
            return problem(
                401,
                "the signature does not hold",
                hint="compare the webhook's address and secret with what `ecluse repository show` says",
            )
        case HookDelivery():
            return _answer(outcome, new=await door.reception.keep(outcome))
        case _:
            return Response(status_code=204)


def door_of(request: Request) -> HookDoor:
    """Made with the first webhook."""
    state = request.app.state
    if not hasattr(state, "hook_door"):
        state.hook_door = HookDoor(state.application)
    found: HookDoor = state.hook_door
    return found


def _answer(delivery: HookDelivery, *, new: bool) -> Response:
    if delivery.decision.startswith(UNREADABLE):
        return problem(400, delivery.decision.removeprefix(UNREADABLE), hint=f"it is kept as delivery {delivery.id}")
    if new:
        return JSONResponse({"state": "received", "delivery": delivery.id}, status_code=202)
    return JSONResponse({"state": "known"})


UNREADABLE = "unreadable: "
"""How the decision about a body that is wrong begins."""


class _Arrived:
    """A request whose signature may hold."""

    def __init__(self, repository: str, headers: Mapping[str, str], body: bytes, application: Application) -> None:
        self.repository = repository
        self.headers = headers
        self.body = body
        self.now = application.clock.now()

    def read(self, key: HookKey) -> HookDelivery | Sequence[ForgeEvent] | None:
        """What is to be kept; events that mean nothing to us; None where the signature is wrong."""
        held = key.forge.verified(self.headers, self.body, key.counts, now=self.now)
        if key.secret is None or not held:
            return None
        delivery = self._delivery(key.forge)
        try:
            events = key.forge.read(delivery)
        except UsageError as error:
            return self._delivery(key.forge, decision=UNREADABLE + error.message)
        kinds = {event.kind for event in events}
        if kinds == {ForgeEventKind.OTHER}:
            return events
        if kinds <= {ForgeEventKind.OTHER, ForgeEventKind.PING}:
            return self._delivery(key.forge, decision=next(event.why for event in events if event.why))
        return delivery

    def _delivery(self, forge: Forge, *, decision: str = "") -> HookDelivery:
        return HookDelivery(
            id=ulid(self.now, os.urandom(10)),
            repository=self.repository,
            key=forge.key(self.headers, self.body)[:KEY_LIMIT],
            event=forge.event_name(self.headers, self.body)[:KEY_LIMIT],
            headers=forge.kept(self.headers),
            body=self.body,
            received=self.now,
            state=HookState.DECIDED if decision else HookState.RECEIVED,
            decision=decision,
        )
