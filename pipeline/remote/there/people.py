"""People, their roles and their tokens, as a server keeps them: by its API, for its admins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.remote.connection import Connection, segment
from pipeline.remote.servers import KnownServer

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.account import Grant, Role
    from pipeline.operations.access.shown import NewToken, Person, TokenFacts

ALL = 1_000_000
"""More than any list has."""


class PeopleThere:
    """The same questions as of `PeopleHere`; the server writes its own audit trail."""

    def __init__(self, server: KnownServer) -> None:
        self.connection = Connection(server)

    def people(self) -> Sequence[Person]:
        """Everybody, by login."""
        from pipeline.operations.access.shown import Person

        return self.connection.pages(Person, "people", {}, limit=ALL)

    def person(self, login: str) -> Person:
        """By login."""
        from pipeline.operations.access.shown import Person

        return self.connection.noun(Person, f"people/{segment(login)}")

    def add_person(self, login: str, *, name: str, email: str, password: str) -> Person:
        """Somebody new."""
        return self._person("people", {"login": login, "name": name, "email": email, "password": password})

    def disable(self, login: str, *, disabled: bool) -> Person:
        """Nothing of theirs counts any more, or does again."""
        return self._person(f"people/{segment(login)}/{'disable' if disabled else 'enable'}", {})

    def set_password(self, login: str, password: str) -> Person:
        """A new one."""
        return self._person(f"people/{segment(login)}/password", {"password": password})

    def grants(self, *, login: str) -> Sequence[Grant]:
        """Of one person, or of all."""
        from pipeline.model.account import Grant

        return self.connection.pages(Grant, "grants", {"login": login or None}, limit=ALL)

    def grant(self, login: str, role: Role, *, repository: str, environment: str) -> Grant:
        """One more role."""
        from pipeline.model.account import Grant

        wanted = {"role": role.value, "repository": repository, "environment": environment}
        return self.connection.built(Grant, self.connection.send("POST", f"people/{segment(login)}/grants", wanted))

    def remove_grant(self, grant: str) -> None:
        """It counts no more."""
        self.connection.send("DELETE", f"grants/{segment(grant)}")

    def tokens(self, *, login: str) -> Sequence[TokenFacts]:
        """Of one person, or of all; newest first."""
        from pipeline.operations.access.shown import TokenFacts

        return self.connection.pages(TokenFacts, "tokens", {"login": login or "*"}, limit=ALL)

    def make_token(
        self, login: str, name: str, role: Role, *, repository: str, environment: str, expires: datetime | None
    ) -> NewToken:
        """A token with its secret; None as `expires`: it does not run out."""
        from pipeline.operations.access.shown import NewToken

        wanted = {
            "login": login,
            "name": name,
            "role": role.value,
            "repository": repository,
            "environment": environment,
            "expires": expires.isoformat() if expires else None,
            "forever": expires is None,
        }
        return self.connection.built(NewToken, self.connection.send("POST", "tokens", wanted))

    def revoke_token(self, token: str) -> TokenFacts:
        """It counts no more."""
        from pipeline.operations.access.shown import TokenFacts

        return self.connection.built(TokenFacts, self.connection.send("POST", f"tokens/{segment(token)}/revoke"))

    def _person(self, path: str, body: dict[str, str]) -> Person:
        from pipeline.operations.access.shown import Person

        return self.connection.built(Person, self.connection.send("POST", path, body))
