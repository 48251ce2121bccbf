"""Where secret values come from."""

from __future__ import annotations

from typing import Protocol


class Secrets(Protocol):
    """Looks up secret values by name. Errors that may leave: SecretError."""

    def get(self, name: str) -> str | None:
        """The value, or None where no provider knows it. Values shorter than 4 characters raise SecretError."""
