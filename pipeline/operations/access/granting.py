"""Roles given and taken: to whom, where, by whom."""

from __future__ import annotations

from datetime import datetime

from pipeline.errors import UsageError
from pipeline.model.account import Grant, Role
from pipeline.operations.access.people import login_of
from pipeline.ports.accounts import Accounts

_LONGEST = 200


def role_of(text: str) -> Role:
    """A role by its name. UsageError with those that there are."""
    try:
        return Role(text)
    except ValueError as error:
        known = ", ".join(role.value for role in Role)
        raise UsageError(f"there is no role {text[:40]!r}", hint=f"there are {known}") from error


def pattern_of(text: str, *, what: str) -> str:
    """A name or glob of repositories or environments; nothing stands for all."""
    text = text.strip() or "*"
    if len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise UsageError(f"{text[:80]!r} names no {what}", hint="write a name or a glob: shop/*, prod, *")
    return text


def give(
    accounts: Accounts,
    login: str,
    role: Role,
    *,
    id: str,  # noqa: A002 - the field's name
    repository: str = "*",
    environment: str = "*",
    now: datetime,
    by: str,
) -> Grant:
    """One more role. UsageError for one that they have already, NotFoundError for nobody of that name."""
    user = accounts.find_user(login_of(login))
    grant = Grant(
        id=id,
        login=user.login,
        role=role,
        repository=pattern_of(repository, what="repository"),
        environment=pattern_of(environment, what="environment"),
        created=now,
        created_by=by,
    )
    for known in accounts.grants(login=user.login):
        if (known.role, known.repository, known.environment) == (grant.role, grant.repository, grant.environment):
            raise UsageError(f"{user.login} has that role there already", hint=f"it is grant {known.id}")
    accounts.save_grant(grant)
    return grant
