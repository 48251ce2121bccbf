"""Bare git: a signed POST of our own, which `ecluse hook install` lets `post-receive` send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.errors import ForgeRefusedError
from pipeline.forges.body import parsed
from pipeline.forges.refs import moved
from pipeline.forges.signatures import hex_hmac, in_window, same
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import Repository
from pipeline.settings import Settings

EVENT = "x-ecluse-event"
DELIVERY = "x-ecluse-delivery"
TIMESTAMP = "x-ecluse-timestamp"
SIGNATURE = "x-ecluse-signature-256"


class Plain:
    """Implements `pipeline.ports.forge.Forge`.

    The signature is `sha256=` and the HMAC of `<timestamp>.<delivery>.<body>`: it holds for five minutes, and a
    delivery is kept once. The body is `{"actor", "clone_url", "changes": [{"ref", "before", "after"}]}`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verified(self, headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
        """The HMAC, and its time."""
        stamp, delivery = headers.get(TIMESTAMP, ""), headers.get(DELIVERY, "")
        signed = f"{stamp}.{delivery}.".encode("utf-8", "surrogateescape")
        held = same(headers.get(SIGNATURE, ""), "sha256=" + hex_hmac(secret, signed, body))
        return held and bool(delivery) and in_window(stamp, now)

    def key(self, headers: Mapping[str, str], body: bytes) -> str:
        """The id, which is signed."""
        return headers.get(DELIVERY, "")

    def event_name(self, headers: Mapping[str, str], body: bytes) -> str:
        """`X-Ecluse-Event`; a push where it is not there."""
        return headers.get(EVENT, "push")

    def kept(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The event's name and id."""
        return {name: headers[name] for name in (EVENT, DELIVERY, TIMESTAMP) if name in headers}

    def read(self, delivery: HookDelivery) -> Sequence[ForgeEvent]:
        """An event for each ref that moved."""
        if delivery.event == "ping":
            return (ForgeEvent(kind=ForgeEventKind.PING, why="the hook works"),)
        if delivery.event != "push":
            return (ForgeEvent(kind=ForgeEventKind.OTHER, why=f"nothing follows from '{delivery.event[:60]}'"),)
        body = parsed(delivery.body)
        actor, clone_url = body.text("actor", optional=True), body.text("clone_url", optional=True)
        events = tuple(
            moved(
                change.ref("ref"),
                before=change.sha("before"),
                after=change.sha("after"),
                actor=actor,
                clone_url=clone_url,
            )
            for change in body.parts("changes")
        )
        return events or (ForgeEvent(kind=ForgeEventKind.OTHER, why="a push that moved nothing"),)

    def tell(self, repository: Repository, item: OutboxItem, *, token: bytes) -> None:
        """Nobody listens."""
        raise ForgeRefusedError(
            f"repository '{repository.name}' is plain git: there is no forge to tell",
            hint="set its forge with `ecluse repository set`",
        )
