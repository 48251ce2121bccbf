"""Sessions of browsers: opened at sign-in, ended by rest, by age, or by their owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.model.account import Session
from pipeline.operations.access.secret_words import derived, digest_of, new_secret
from pipeline.ports.accounts import Accounts

IDLE = timedelta(hours=12)
"""Unused for so long, a session ends."""
WHOLE = timedelta(days=7)
"""So old, it ends whatever happens."""
_NOTED = timedelta(minutes=1)
"""Its use is written down this often at most."""
_AGENT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A new session, and the secret that only its browser gets."""

    session: Session
    secret: str = field(repr=False)


def open_session(
    accounts: Accounts, login: str, *, now: datetime, address: str, agent: str, before: str = ""
) -> Opened:
    """A session with a secret of its own, whatever the browser brought; `before` is the one that it brought."""
    if before:
        accounts.end_sessions(digest=digest_of(before))
    accounts.end_sessions(before=now)
    secret = new_secret()
    session = Session(
        digest=digest_of(secret),
        login=login,
        csrf=derived(secret, "csrf"),
        created=now,
        expires=now + IDLE,
        address=address,
        agent=agent[:_AGENT],
    )
    accounts.save_session(session)
    return Opened(session=session, secret=secret)


def session_of(accounts: Accounts, secret: str, *, now: datetime) -> Session | None:
    """The session of a cookie, longer by this use; None where it has ended."""
    session = accounts.session_of(digest_of(secret))
    if session is None or now >= session.expires:
        return None
    later = lasts_until(session, now=now)
    if later - session.expires > _NOTED:
        accounts.session_used(session.digest, later)
    return session


def lasts_until(session: Session, *, now: datetime) -> datetime:
    """When it ends if it is used now and never again."""
    return min(now + IDLE, session.created + WHOLE)
