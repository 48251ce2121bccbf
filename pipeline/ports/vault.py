"""Secrets that the server keeps for repositories and environments: written, used, never shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretNote:
    """What may be seen of a secret."""

    scope: str
    """`repository:<name>`, `environment:<repository>:<name>`, `forge:<repository>` or `hook:<repository>`."""
    name: str
    version: int
    updated: datetime
    updated_by: str


def repository_scope(repository: str) -> str:
    """Secrets for the trusted runs of a repository, by its name."""
    return f"repository:{repository}"


def environment_scope(repository: str, environment: str) -> str:
    """Secrets for what a repository does in one environment."""
    return f"environment:{repository}:{environment}"


class Vault(Protocol):
    """Encrypted at rest with a key that is not in the database. Safe for several threads and processes.

    Errors that may leave: RecordsError, DiskFullError, NotFoundError, SettingsError where the key is missing or is
    not the one that a secret was encrypted with.
    """

    def put(self, scope: str, name: str, value: bytes, *, by: str) -> SecretNote:
        """Keep a new version; the ones before are gone."""

    def get(self, scope: str, name: str) -> bytes | None:
        """The value, for use; None where there is none."""

    def remove(self, scope: str, name: str) -> None:
        """Forget it."""

    def notes(self, *, scope: str = "") -> Sequence[SecretNote]:
        """What there is, without values."""
