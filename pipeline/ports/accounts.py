"""People, tokens, sessions, roles and the audit trail of a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.account import AuditEntry, Grant, Session, Token, User


class Accounts(Protocol):
    """Safe for several threads and processes; every method is one transaction.

    Errors that may leave: RecordsError, DiskFullError, NotFoundError.
    """

    def add_user(self, user: User) -> bool:
        """Keep somebody new; False, and nothing kept, where the login is taken."""

    def save_user(self, user: User) -> None:
        """Keep it, replacing what was known of its login."""

    def find_user(self, login: str) -> User:
        """NotFoundError else."""

    def user_of(self, issuer: str, subject: str) -> User | None:
        """Whom an OIDC provider calls so."""

    def users(self, *, after: str = "", limit: int | None = None) -> Sequence[User]:
        """By login; with `after` those behind it, for the next page."""

    def save_grant(self, grant: Grant) -> None:
        """Keep it."""

    def remove_grant(self, grant: str) -> None:
        """By id."""

    def grants(self, *, login: str = "", after: str = "", limit: int | None = None) -> Sequence[Grant]:
        """Of one person, or of all; oldest first. With `after` those behind the one of this id, for the next page."""

    def save_token(self, token: Token) -> None:
        """Keep it, replacing what was known of its id."""

    def token_of(self, digest: str) -> Token | None:
        """Whose secret has this digest."""

    def tokens(self, *, login: str = "", before: str = "", limit: int | None = None) -> Sequence[Token]:
        """Newest first, revoked ones too; with `before` those of a smaller id, for the next page."""

    def token_used(self, token: str, time: datetime) -> None:
        """Note its last use; may be a minute behind."""

    def save_session(self, session: Session) -> None:
        """Keep it."""

    def session_of(self, digest: str) -> Session | None:
        """Whose cookie has this digest."""

    def sessions(self, *, login: str) -> Sequence[Session]:
        """A person's, newest first."""

    def session_used(self, digest: str, expires: datetime) -> None:
        """It lasts until then now; one that has ended stays ended."""

    def end_sessions(self, *, login: str = "", digest: str = "", before: datetime | None = None) -> int:
        """End those of a person, one, or those that ran out before; how many."""

    def note_audit(
        self, *, time: datetime, login: str, action: str, subject: str, allowed: bool, detail: str, address: str
    ) -> None:
        """A line of the audit trail; never changed again."""

    def forget_audit(self, *, before: datetime) -> int:
        """Remove lines of the audit trail that are older; how many went."""

    def audit(self, *, login: str = "", action: str = "", before: int = 0, limit: int = 100) -> Sequence[AuditEntry]:
        """Newest first; with `before` those of a smaller seq."""
