"""People, tokens, sessions, roles and the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import NotFoundError
from pipeline.model.account import AuditEntry, Grant, Session, Token, User
from pipeline.records import server_tables as t
from pipeline.records.database import Database
from pipeline.records.queries import insert
from pipeline.records.rows import noun, plain
from pipeline.records.server.forgetting import forget


class SqlAccounts:
    """Implements `pipeline.ports.accounts.Accounts`."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    def add_user(self, user: User) -> bool:
        """The database says who was first."""
        with self._database().writing() as connection:
            row = insert(connection, t.users).values(**plain(user))
            order = row.on_conflict_do_nothing(index_elements=[t.users.c.login]).returning(t.users.c.login)
            return connection.execute(order).first() is not None

    def save_user(self, user: User) -> None:
        """Keep it."""
        self._replace(t.users, user, "login")

    def find_user(self, login: str) -> User:
        """By login."""
        row = self._first(sa.select(t.users).where(t.users.c.login == login))
        if row is None:
            raise NotFoundError(f"there is no user '{login}'", hint="`ecluse user list` shows them")
        return noun(User, row)

    def user_of(self, issuer: str, subject: str) -> User | None:
        """Whom an OIDC provider calls so."""
        row = self._first(sa.select(t.users).where(t.users.c.issuer == issuer, t.users.c.subject == subject))
        return noun(User, row) if row is not None else None

    def users(self, *, after: str = "", limit: int | None = None) -> Sequence[User]:
        """By login."""
        wanted = sa.select(t.users).where(t.users.c.login > after).order_by(t.users.c.login).limit(limit)
        return [noun(User, row) for row in self._all(wanted)]

    def save_grant(self, grant: Grant) -> None:
        """Keep it."""
        self._replace(t.grants, grant, "id")

    def remove_grant(self, grant: str) -> None:
        """By id."""
        with self._database().writing() as connection:
            gone = connection.execute(t.grants.delete().where(t.grants.c.id == grant)).rowcount
        if not gone:
            raise NotFoundError(f"there is no grant '{grant}'", hint="nothing was removed")

    def grants(self, *, login: str = "", after: str = "", limit: int | None = None) -> Sequence[Grant]:
        """Oldest first."""
        wanted = sa.select(t.grants)
        if login:
            wanted = wanted.where(t.grants.c.login == login)
        if after:
            wanted = wanted.where(t.grants.c.id > after)
        return [noun(Grant, row) for row in self._all(wanted.order_by(t.grants.c.id).limit(limit))]

    def save_token(self, token: Token) -> None:
        """Keep it."""
        self._replace(t.tokens, token, "id")

    def token_of(self, digest: str) -> Token | None:
        """Whose secret has this digest."""
        row = self._first(sa.select(t.tokens).where(t.tokens.c.digest == digest))
        return noun(Token, row) if row is not None else None

    def tokens(self, *, login: str = "", before: str = "", limit: int | None = None) -> Sequence[Token]:
        """Newest first."""
        wanted = sa.select(t.tokens)
        if login:
            wanted = wanted.where(t.tokens.c.login == login)
        if before:
            wanted = wanted.where(t.tokens.c.id < before)
        return [noun(Token, row) for row in self._all(wanted.order_by(t.tokens.c.id.desc()).limit(limit))]

    def token_used(self, token: str, time: datetime) -> None:
        """Note its last use."""
        with self._database().writing() as connection:
            connection.execute(t.tokens.update().where(t.tokens.c.id == token).values(used=time))

    def save_session(self, session: Session) -> None:
        """Keep it."""
        self._replace(t.sessions, session, "digest")

    def session_of(self, digest: str) -> Session | None:
        """Whose cookie has this digest."""
        row = self._first(sa.select(t.sessions).where(t.sessions.c.digest == digest))
        return noun(Session, row) if row is not None else None

    def sessions(self, *, login: str) -> Sequence[Session]:
        """Newest first."""
        wanted = sa.select(t.sessions).where(t.sessions.c.login == login)
        return [noun(Session, row) for row in self._all(wanted.order_by(t.sessions.c.created.desc()))]

    def session_used(self, digest: str, expires: datetime) -> None:
        """Only where it still is: nothing is made anew."""
        with self._database().writing() as connection:
            connection.execute(t.sessions.update().where(t.sessions.c.digest == digest).values(expires=expires))

    def end_sessions(self, *, login: str = "", digest: str = "", before: datetime | None = None) -> int:
        """End them; none where nothing is said of which."""
        ways: list[sa.ColumnElement[bool]] = []
        if login:
            ways.append(t.sessions.c.login == login)
        if digest:
            ways.append(t.sessions.c.digest == digest)
        if before is not None:
            ways.append(t.sessions.c.expires < before)
        if not ways:
            return 0
        with self._database().writing() as connection:
            return int(connection.execute(t.sessions.delete().where(*ways)).rowcount)

    def note_audit(
        self, *, time: datetime, login: str, action: str, subject: str, allowed: bool, detail: str, address: str
    ) -> None:
        """A line of the audit trail."""
        values = {
            "time": time,
            "login": login,
            "action": action,
            "subject": subject,
            "allowed": allowed,
            "detail": detail,
            "address": address,
        }
        with self._database().writing() as connection:
            connection.execute(t.audit.insert().values(**values))

    def forget_audit(self, *, before: datetime) -> int:
        """Remove older lines."""
        return forget(self._database(), t.audit, t.audit.c.seq, t.audit.c.time < before)

    def audit(self, *, login: str = "", action: str = "", before: int = 0, limit: int = 100) -> Sequence[AuditEntry]:
        """Newest first."""
        wanted = sa.select(t.audit)
        if login:
            wanted = wanted.where(t.audit.c.login == login)
        if action:
            wanted = wanted.where(t.audit.c.action == action)
        if before:
            wanted = wanted.where(t.audit.c.seq < before)
        return [noun(AuditEntry, row) for row in self._all(wanted.order_by(t.audit.c.seq.desc()).limit(limit))]

    def _replace(self, table: sa.Table, thing: object, key: str) -> None:
        values = plain(thing)
        with self._database().writing() as connection:
            row = insert(connection, table).values(**values)
            newer = {name: row.excluded[name] for name in values if name != key}
            connection.execute(row.on_conflict_do_update(index_elements=[table.c[key]], set_=newer))

    def _first(self, query: sa.Select[Any]) -> sa.Row[Any] | None:
        with self._database().reading() as connection:
            return connection.execute(query).first()

    def _all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self._database().reading() as connection:
            return connection.execute(query).all()
