"""What one place of secrets offers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A value and, for messages, where it comes from."""

    value: str = field(repr=False)
    where: str


class Provider(Protocol):
    """One place where secrets are kept. Errors that may leave: SecretError."""

    def find(self, name: str) -> Found | None:
        """The secret of that name, or None where it is not kept here."""
