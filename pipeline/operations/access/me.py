"""Who somebody is to a server: the words in which it says so, and in which the command reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.model.account import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """A role, and where it counts (globs; `*` = everywhere)."""

    role: Role
    repository: str
    environment: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Me:
    """Whoever asks: their roles, and what the token that they ask with leaves of them."""

    login: str
    name: str
    roles: tuple[Reach, ...]
    token: str = ""
    """Its name; "" for a session of a browser."""
    limits: Reach | None = None
    """At most this; None for a session."""
    expires: datetime | None = None
    """When the token runs out."""
    version: str = ""
    """Of the server."""
