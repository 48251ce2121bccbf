"""What may be seen of people and of tokens: never a password's hash, never a token's digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from pipeline.model.account import Grant, Role, Token, User
from pipeline.operations.access.tokens import Made


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who uses the server, with what they may do."""

    login: str
    name: str
    email: str
    password: bool
    """Whether they have one here."""
    issuer: str
    disabled: bool
    created: datetime
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenFacts:
    """A token without what it is known by."""

    id: str
    login: str
    name: str
    role: Role
    repository: str
    environment: str
    created: datetime
    expires: datetime | None
    used: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewToken(TokenFacts):
    """A token that was just made, with the secret that is shown this once."""

    secret: str


def person_of(user: User, grants: Sequence[Grant]) -> Person:
    """Of all grants, theirs."""
    return Person(
        login=user.login,
        name=user.name,
        email=user.email,
        password=bool(user.password),
        issuer=user.issuer,
        disabled=user.disabled,
        created=user.created,
        grants=tuple(grant for grant in grants if grant.login == user.login),
    )


def token_facts(token: Token) -> TokenFacts:
    """Of one that is known."""
    return TokenFacts(
        id=token.id,
        login=token.login,
        name=token.name,
        role=token.role,
        repository=token.repository,
        environment=token.environment,
        created=token.created,
        expires=token.expires,
        used=token.used,
        revoked=token.revoked,
    )


def new_token(made: Made) -> NewToken:
    """Of one that was just made."""
    facts = token_facts(made.token)
    return NewToken(**{item.name: getattr(facts, item.name) for item in fields(facts)}, secret=made.secret)
