"""Messages to forges, kept until they were heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.incoming import ForgeEvent, HookDelivery
    from pipeline.model.outgoing import OutboxItem
    from pipeline.model.repository import Repository


class Outbox(Protocol):
    """Safe for several threads and processes; every method is one transaction.

    Errors that may leave: RecordsError, DiskFullError.
    """

    def post(self, item: OutboxItem) -> None:
        """Keep it; an older one of its key that was not sent is replaced."""

    def due(self, *, now: datetime, limit: int = 50) -> Sequence[OutboxItem]:
        """Those to try now, oldest first."""

    def tried(self, item: OutboxItem) -> None:
        """Note how a try went (`sent`, or `error` with the next `due`, or `given_up`)."""

    def messages(self, *, repository: str = "", limit: int = 50) -> Sequence[OutboxItem]:
        """Newest first, sent ones too."""


class Forge(Protocol):
    """What one kind of forge sends and takes. Reading is pure; telling asks the forge's API.

    Errors that may leave `tell`: ForgeError (not now: worth another try), ForgeRefusedError (never).
    """

    def verified(self, headers: dict[str, str], body: bytes, secret: bytes) -> bool:
        """Whether the signature (or the forge's shared token) holds, compared in constant time. `headers` in lower
        case."""

    def key(self, headers: dict[str, str], body: bytes) -> str:
        """What the forge calls this delivery; the SHA-256 of the body where it calls it nothing."""

    def event_name(self, headers: dict[str, str], body: bytes) -> str:
        """The forge's own name of the kind of event."""

    def read(self, delivery: HookDelivery) -> ForgeEvent:
        """What happened. UsageError, with the place, for a body that is not what the forge documents."""

    def tell(self, repository: Repository, item: OutboxItem, *, token: bytes) -> None:
        """Send a message to the forge's API."""
