"""A webhook that has just arrived: whether its signature holds, and what is to be kept of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.errors import UsageError
from pipeline.model.incoming import ForgeEvent, ForgeEventKind, HookDelivery, HookState
from pipeline.model.ulid import ulid
from pipeline.ports.forge import Forge
from pipeline.web.hook_keys import HookKey

UNREADABLE = "unreadable: "
"""How the decision about a body that is wrong begins."""
_KEY_LIMIT = 200


class Arrival:
    """A request; `headers` with their names in lower case."""

    def __init__(self, repository: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        self.repository = repository
        self.headers = headers
        self.body = body
        self.now = now

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
            key=forge.key(self.headers, self.body)[:_KEY_LIMIT],
            event=forge.event_name(self.headers, self.body)[:_KEY_LIMIT],
            headers=forge.kept(self.headers),
            body=self.body,
            received=self.now,
            state=HookState.DECIDED if decision else HookState.RECEIVED,
            decision=decision,
        )
