"""What a webhook is checked with: its repository's kind of forge and secret, remembered for a few seconds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from pipeline.errors import NotFoundError
from pipeline.model.repository import ForgeKind
from pipeline.ports.application import Application
from pipeline.ports.forge import Forge

FRESH = 5.0
"""Seconds that a secret is used after it was read: so long an old one still counts after a change."""
MOST = 10_000
SECRET_NAME = "secret"  # noqa: S105  # where it is in the vault
_NOBODY = b"no repository has this secret"


@dataclass(frozen=True, kw_only=True, slots=True)
class HookKey:
    """`secret` is None where there is no such repository, or none was set."""

    forge: Forge
    secret: bytes | None
    read: float

    @property
    def counts(self) -> bytes:
        """What to compare with, in any case: an unknown repository is not told by a quicker answer."""
        return self.secret or _NOBODY


class HookKeys:
    """By repository; belongs to one event loop."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._known: dict[str, HookKey] = {}

    async def of(self, repository: str) -> HookKey:
        """From memory, or the database."""
        now = self._application.clock.monotonic()
        known = self._known.get(repository)
        if known is not None and now - known.read < FRESH:
            return known
        if known is not None:  # while one asks, the others go on with what was known
            self._known[repository] = replace(known, read=now)
        found = await asyncio.to_thread(self._read, repository, now)
        self._known.pop(repository, None)
        if found.secret is not None:  # unknown names are asked for each time: anybody may invent them
            if len(self._known) >= MOST:
                self._known.pop(next(iter(self._known)))
            self._known[repository] = found
        return found

    def _read(self, name: str, now: float) -> HookKey:
        app = self._application
        try:
            kind = app.intake.find_repository(name).forge
        except NotFoundError:
            return HookKey(forge=app.forge(ForgeKind.GITHUB), secret=None, read=now)
        return HookKey(forge=app.forge(kind), secret=app.vault.get(f"hook:{name}", SECRET_NAME), read=now)
