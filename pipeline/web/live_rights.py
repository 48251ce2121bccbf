"""Whether those who follow something still may: asked again and again, and soon after anybody's rights changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.model.account import Role
from pipeline.ports.application import Application
from pipeline.web.access.asking import as_now
from pipeline.web.access.principal import Principal

_TAKES = frozenset({"session.end", "token.revoke", "grant.remove", "user.disable", "user.password"})
"""What the audit trail calls that after which somebody may do less."""
_NEWS = 20
"""Lines of the audit trail that are looked at; where more are new, some may tell of it."""
AGAIN = 10.0
"""Seconds after which they are asked again, whatever happened."""
STILL_HERE = 15.0
"""Seconds of silence after which a stream says that it lives: a proxy would close it else."""


class Cut(StrEnum):
    """Why a stream ends before its time."""

    SIGNED_OUT = "signed_out"
    NOT_ALLOWED = "not_allowed"
    MOVED = "moved"
    """The server ends, or is about to: whoever follows comes back, to the next one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Follower:
    """Who follows, and of which repository they have to be a viewer; "" where being signed in is enough."""

    principal: Principal
    repository: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Followers with the same key have the same rights."""
        token = self.principal.token
        return self.principal.session if token is None else token.id, self.repository


@dataclass(slots=True, eq=False)
class Stream:
    """One open stream: `woken` when there is something to say, `cut` once it is to end."""

    follower: Follower
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    cut: Cut | None = None

    def end(self, why: Cut) -> None:
        """In the event loop; the first reason counts."""
        self.cut = self.cut or why
        self.woken.set()

    async def waits(self) -> bool:
        """Until it is woken; False where nothing happened for so long that a sign of life is due."""
        try:
            await asyncio.wait_for(self.woken.wait(), STILL_HERE)
        except TimeoutError:
            return False
        return True


def refused(app: Application, follower: Follower) -> Cut | None:
    """Why they may follow no longer."""
    principal = as_now(app, follower.principal)
    if principal is None:
        return Cut.SIGNED_OUT
    if follower.repository and not principal.may(Role.VIEWER, follower.repository):
        return Cut.NOT_ALLOWED
    return None


class Watchman:
    """Asks for the rights of all followers when that is due; called by one thread."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._asked = float("-inf")
        self._heard = 0

    def due(self) -> bool:
        """Whether it is time: some seconds have passed, or the audit trail tells of a session that ended, a token that
        was revoked, a role that was taken away or a person who was shut out, whichever process did it."""
        now = self._app.clock.monotonic()
        entries = self._app.accounts.audit(limit=_NEWS)
        new = [entry for entry in entries if entry.seq > self._heard]
        self._heard = max((entry.seq for entry in entries), default=0)
        if now - self._asked < AGAIN and len(new) < _NEWS and not any(entry.action in _TAKES for entry in new):
            return False
        self._asked = now
        return True
