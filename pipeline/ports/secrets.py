"""Where secret values come from."""

from __future__ import annotations

from typing import Protocol


class Secrets(Protocol):
    """Looks up secret values by name. Errors that may leave: SecretError."""

    def get(self, name: str, *, environment: str = "") -> str | None:
        """The value, or None where no provider knows it. Values shorter than 4 characters raise SecretError.

        `environment` is the one that the asker works for; what is kept for it comes before what is kept for all.
        """
