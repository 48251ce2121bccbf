"""Somebody who asks the server, and what they may do: a pure decision over grants and the token they ask with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import RefusedError
from pipeline.model.account import Grant, Role, Token


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who asks. With `login` "" nobody is signed in, and nothing is allowed."""

    login: str = ""
    name: str = ""
    grants: tuple[Grant, ...] = ()
    token: Token | None = None
    """The one they ask with; it can only take away from what the grants allow."""
    session: str = ""
    """The digest of the session they ask with."""

    def may(self, role: Role, repository: str = "", environment: str = "") -> bool:
        """Whether they have the role there; "" stands for all repositories (no environment in particular)."""
        return allowed(self.grants, self.token, role, repository, environment)

    def must(self, role: Role, repository: str = "", environment: str = "") -> None:
        """RefusedError where they may not: for what is known only after the request was looked at."""
        if not self.may(role, repository, environment):
            raise RefusedError(
                refusal(self, role, repository, environment), hint=self.way_to(role, repository, environment)
            )

    def way_to(self, role: Role, repository: str = "", environment: str = "") -> str:
        """What would let somebody do it who may not."""
        if self.token is not None and allowed(self.grants, None, role, repository, environment):
            return (
                f"you may, but not with this token: make one that can, `ecluse token create LOGIN NAME --role {role}`"
            )
        return "an admin of this server can grant it: `ecluse grant add LOGIN ROLE`"

    @property
    def means(self) -> str:
        """By what they are known, for ledger and audit: never the secret itself."""
        if self.token is not None:
            return f"token {self.token.id}"
        return f"session {self.session[:12]}" if self.session else ""


NOBODY = Principal()


def allowed(
    grants: Sequence[Grant], token: Token | None, role: Role, repository: str = "", environment: str = ""
) -> bool:
    """One grant has to give the role there, and the token, where there is one, must not take it away."""
    if token is not None and not _reaches(token, role, repository, environment):
        return False
    return any(_reaches(grant, role, repository, environment) for grant in grants)


def _reaches(limits: Grant | Token, role: Role, repository: str, environment: str) -> bool:
    """Whoever has any say in one environment of a repository may look at the repository."""
    if limits.role.rank < role.rank:
        return False
    if role is Role.VIEWER and repository and not environment:
        return limits.touches(repository)
    return limits.covers(repository, environment)


def refusal(principal: Principal, role: Role, repository: str, environment: str) -> str:
    """What is said to somebody who may not."""
    parts = [f"environment '{environment}'" if environment else "", repository]
    where = " of ".join(part for part in parts if part) or "this server"
    who = f"the token '{principal.token.name}'" if principal.token is not None else principal.login
    return f"{who} is no {role.value} of {where}"
