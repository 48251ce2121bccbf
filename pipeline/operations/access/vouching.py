"""People whom a provider vouches for: known by issuer and subject, with the roles that their groups give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import RefusedError, SettingsError, UsageError
from pipeline.model.account import Grant, Role, User
from pipeline.operations.access.granting import pattern_of, role_of
from pipeline.operations.access.people import login_of
from pipeline.ports.accounts import Accounts


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a group gives."""

    role: Role
    repository: str = "*"
    environment: str = "*"


def given_by(groups: Sequence[str], rules: Mapping[str, str]) -> frozenset[Given]:
    """The roles of the groups that the rules name (`ROLE [REPOSITORY [ENVIRONMENT]]`, several joined by commas)."""
    return frozenset(
        _given(rule, group) for group in groups for rule in rules.get(group, "").split(",") if rule.strip()
    )


def _given(rule: str, group: str) -> Given:
    words = rule.split()
    if len(words) > 3:
        raise SettingsError(f"setting 'oidc_grants': '{group}' has too many words", hint="ROLE REPOSITORY ENVIRONMENT")
    try:
        repository, environment = (*words[1:], "*", "*")[:2]
        return Given(
            role=role_of(words[0]),
            repository=pattern_of(repository, what="repository"),
            environment=pattern_of(environment, what="environment"),
        )
    except UsageError as error:
        raise SettingsError(f"setting 'oidc_grants': '{group}': {error.message}", hint=error.hint) from error


def recognise(
    accounts: Accounts, *, issuer: str, subject: str, login: str, name: str, email: str, now: datetime
) -> User:
    """The person, made at their first visit. RefusedError for one who is disabled, and for a login that is another's:
    nobody gets an account by having its name at a provider."""
    known = accounts.user_of(issuer, subject)
    if known is None:
        try:
            wanted = login_of(login)
        except UsageError as error:
            raise RefusedError(f"the provider's login cannot be one here: {error.message}", hint=error.hint) from error
        known = User(
            login=wanted,
            name=" ".join(name.split())[:200] or wanted,
            email=email[:200],
            issuer=issuer,
            subject=subject,
            created=now,
        )
        if not accounts.add_user(known):
            raise RefusedError(
                f"the login '{wanted}' belongs to somebody else here", hint="an admin can tell the two apart"
            )
    if known.disabled:
        raise RefusedError(f"'{known.login}' is disabled", hint="an admin can let them in again")
    return known


def bring_up_to_date(
    accounts: Accounts,
    user: User,
    given: frozenset[Given],
    *,
    now: datetime,
    new_id: Callable[[], str],
) -> None:
    """Their roles by groups are these now; what people here gave them stays."""
    giver = f"oidc:{user.issuer}"
    mine = {
        grant: Given(role=grant.role, repository=grant.repository, environment=grant.environment)
        for grant in accounts.grants(login=user.login)
        if grant.created_by == giver
    }
    for grant, had in mine.items():
        if had not in given:
            accounts.remove_grant(grant.id)
    for item in sorted(given - set(mine.values()), key=lambda item: (item.role.rank, item.repository)):
        accounts.save_grant(
            Grant(
                id=new_id(),
                login=user.login,
                role=item.role,
                repository=item.repository,
                environment=item.environment,
                created=now,
                created_by=giver,
            )
        )
