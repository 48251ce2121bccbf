"""People, their roles and their tokens, as this machine's server keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.operations.access.machine import machines_user, new_id, noted
from pipeline.ports.application import Application

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.account import Grant, Role
    from pipeline.operations.access.shown import NewToken, Person, TokenFacts


class PeopleHere:
    """Every change is a line of the audit trail, by whoever calls the command here."""

    def __init__(self, app: Application) -> None:
        self.app = app

    def people(self) -> Sequence[Person]:
        """Everybody, by login."""
        from pipeline.operations.access.shown import person_of

        grants = self.app.accounts.grants()
        return [person_of(user, grants) for user in self.app.accounts.users()]

    def person(self, login: str) -> Person:
        """By login."""
        from pipeline.operations.access.people import login_of
        from pipeline.operations.access.shown import person_of

        user = self.app.accounts.find_user(login_of(login))
        return person_of(user, self.app.accounts.grants(login=user.login))

    def add_person(self, login: str, *, name: str, email: str, password: str) -> Person:
        """Somebody new."""
        from pipeline.operations.access.people import add_user

        made = add_user(self.app.accounts, login, name=name, email=email, password=password, now=self.app.clock.now())
        noted(self.app, "user.add", made.login)
        return self.person(made.login)

    def disable(self, login: str, *, disabled: bool) -> Person:
        """Nothing of theirs counts any more, or does again."""
        from pipeline.operations.access.people import disable

        changed = disable(self.app.accounts, login, disabled=disabled)
        noted(self.app, "user.disable" if disabled else "user.enable", changed.login)
        return self.person(changed.login)

    def set_password(self, login: str, password: str) -> Person:
        """A new one."""
        from pipeline.operations.access.people import set_password

        changed = set_password(self.app.accounts, login, password)
        noted(self.app, "user.password", changed.login)
        return self.person(changed.login)

    def grants(self, *, login: str) -> Sequence[Grant]:
        """Of one person, or of all."""
        return self.app.accounts.grants(login=login.lower())

    def grant(self, login: str, role: Role, *, repository: str, environment: str) -> Grant:
        """One more role."""
        from pipeline.operations.access.granting import give

        made = give(
            self.app.accounts,
            login,
            role,
            id=new_id(self.app),
            repository=repository,
            environment=environment,
            now=self.app.clock.now(),
            by=machines_user(),
        )
        noted(self.app, "grant.add", made.login, f"{made.role.value} in {made.repository}, {made.environment}")
        return made

    def remove_grant(self, grant: str) -> None:
        """It counts no more."""
        self.app.accounts.remove_grant(grant)
        noted(self.app, "grant.remove", grant)

    def tokens(self, *, login: str) -> Sequence[TokenFacts]:
        """Of one person, or of all; newest first."""
        from pipeline.operations.access.shown import token_facts

        return [token_facts(item) for item in self.app.accounts.tokens(login=login.lower())]

    def make_token(
        self, login: str, name: str, role: Role, *, repository: str, environment: str, expires: datetime | None
    ) -> NewToken:
        """A token with its secret; None as `expires`: it does not run out."""
        from pipeline.operations.access.granting import pattern_of
        from pipeline.operations.access.shown import new_token
        from pipeline.operations.access.tokens import make_token

        made = make_token(
            self.app.accounts,
            login,
            id=new_id(self.app),
            name=name,
            role=role,
            repository=pattern_of(repository, what="repository"),
            environment=pattern_of(environment, what="environment"),
            now=self.app.clock.now(),
            expires=expires,
        )
        noted(self.app, "token.create", made.token.id, f"{made.token.name}, of {made.token.login}")
        return new_token(made)

    def revoke_token(self, token: str) -> TokenFacts:
        """It counts no more."""
        from pipeline.operations.access.shown import token_facts
        from pipeline.operations.access.tokens import revoke_token

        gone = revoke_token(self.app.accounts, token, now=self.app.clock.now())
        noted(self.app, "token.revoke", gone.id, f"{gone.name}, of {gone.login}")
        return token_facts(gone)
