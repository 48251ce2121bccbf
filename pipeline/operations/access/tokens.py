"""Tokens for programs: made once, shown once, revoked at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.errors import NotFoundError, UsageError
from pipeline.model.account import Role, Token
from pipeline.operations.access.people import login_of
from pipeline.operations.access.secret_words import TOKEN_PREFIX, digest_of, new_secret
from pipeline.ports.accounts import Accounts

_NOTED = timedelta(minutes=1)
_MOST = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A new token, and the secret that is shown this once."""

    token: Token
    secret: str = field(repr=False)


def make_token(
    accounts: Accounts,
    login: str,
    *,
    id: str,  # noqa: A002 - the field's name
    name: str,
    role: Role,
    repository: str = "*",
    environment: str = "*",
    now: datetime,
    expires: datetime | None,
) -> Made:
    """A token of a person; it never can more than they can, whatever role it names."""
    user = accounts.find_user(login_of(login))
    name = " ".join(name.split())[:100]
    if not name:
        raise UsageError("a token needs a name", hint="say what will use it")
    if expires is not None and expires <= now:
        raise UsageError("the token would have run out already", hint="give it a time that is to come")
    if sum(token.valid(now) for token in accounts.tokens(login=user.login)) >= _MOST:
        raise UsageError(f"{user.login} has {_MOST} tokens", hint="revoke some that nobody uses")
    secret = new_secret(TOKEN_PREFIX)
    token = Token(
        id=id,
        login=user.login,
        name=name,
        digest=digest_of(secret),
        role=role,
        repository=repository or "*",
        environment=environment or "*",
        created=now,
        expires=expires,
    )
    accounts.save_token(token)
    return Made(token=token, secret=secret)


def revoke_token(accounts: Accounts, token: str, *, login: str = "", now: datetime) -> Token:
    """It counts no more; `login` is whose it has to be. NotFoundError for one that is not theirs, too."""
    found = next((item for item in accounts.tokens(login=login) if item.id == token), None)
    if found is None:
        raise NotFoundError(f"there is no token '{token}'", hint="`ecluse token list` shows them")
    if found.revoked is None:
        found = replace(found, revoked=now)
        accounts.save_token(found)
    return found


def token_of(accounts: Accounts, secret: str, *, now: datetime) -> Token | None:
    """The token of a secret, if it still counts; its use is noted."""
    if not secret.startswith(TOKEN_PREFIX):
        return None
    token = accounts.token_of(digest_of(secret))
    if token is None or not token.valid(now):
        return None
    if token.used is None or now - token.used > _NOTED:
        accounts.token_used(token.id, now)
    return token


def in_force(tokens: Sequence[Token], *, now: datetime) -> Sequence[Token]:
    """Those that count."""
    return [token for token in tokens if token.valid(now)]
