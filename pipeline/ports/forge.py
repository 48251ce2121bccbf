"""What one kind of forge sends and takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.incoming import ForgeEvent, HookDelivery
    from pipeline.model.outgoing import OutboxItem
    from pipeline.model.repository import Repository


class Forge(Protocol):
    """Reading is pure; telling asks the forge's API. `headers` have their names in lower case.

    Errors that may leave `tell`: ForgeError (not now: worth another try), ForgeRefusedError (never).
    """

    def verified(self, headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
        """Whether the signature (or the forge's shared token) holds, compared in constant time; a signature that
        covers a time holds for five minutes."""

    def key(self, headers: Mapping[str, str], body: bytes) -> str:
        """What makes this delivery one: the id that the forge vouches for, else the SHA-256 of the body. A delivery
        that is sent again under another id that nobody has signed has the same key."""

    def event_name(self, headers: Mapping[str, str], body: bytes) -> str:
        """The forge's own name of the kind of event; "" where it names none."""

    def kept(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers that reading needs, or that people look for; never a signature or a token."""

    def read(self, delivery: HookDelivery) -> Sequence[ForgeEvent]:
        """What happened, one event for each branch, tag or proposal that it is about; never none.

        UsageError, with the place, for a body that is not what the forge documents.
        """

    def tell(self, repository: Repository, item: OutboxItem, *, token: bytes) -> None:
        """Send a message to the forge's API."""
