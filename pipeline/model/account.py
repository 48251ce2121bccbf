"""Who uses the server and what they may do: people, tokens, sessions, roles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase


class Role(StrEnum):
    """Each may what the ones before it may; `admin` also looks after people, repositories and settings."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    """Starts, cancels, retries and resumes runs."""
    RELEASE_MANAGER = "release-manager"
    """Promotes, approves, rejects, rolls back, holds."""
    OPERATOR = "operator"
    """Owns environments: freezes, overrides, restores, removes; secrets of environments."""
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 is the least."""
        return tuple(Role).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A role for somebody, in the repositories and environments that match (globs; `*` = all)."""

    id: str
    login: str
    role: Role
    repository: str = "*"
    environment: str = "*"
    created: datetime
    created_by: str

    def covers(self, repository: str, environment: str) -> bool:
        """Whether it counts there. With "" for a repository (environment) only a grant for all of them does."""
        return self.touches(repository) and _matches(environment, self.environment)

    def touches(self, repository: str) -> bool:
        """Whether it counts anywhere in the repository; with "" whether it does in all."""
        return _matches(repository, self.repository)


def _matches(name: str, pattern: str) -> bool:
    return pattern == "*" or (bool(name) and fnmatchcase(name, pattern))


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A person (or a robot). `password` is a salted hash, or "" for those who sign in elsewhere."""

    login: str
    """Lower case; unique."""
    name: str
    email: str = ""
    password: str = ""
    issuer: str = ""
    """The OIDC provider that vouches for them, with `subject`; "" = a local account."""
    subject: str = ""
    disabled: bool = False
    created: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A key for programs: shown once, kept as a digest. It can do at most what its person can, and at most `role`."""

    id: str
    login: str
    name: str
    digest: str
    """SHA-256 of the secret, in hex: the secret is 256 random bits, so no slow hash is needed."""
    role: Role
    repository: str = "*"
    environment: str = "*"
    created: datetime
    expires: datetime | None = None
    used: datetime | None = None
    revoked: datetime | None = None

    def covers(self, repository: str, environment: str) -> bool:
        """As `Grant.covers`."""
        return self.touches(repository) and _matches(environment, self.environment)

    def touches(self, repository: str) -> bool:
        """As `Grant.touches`."""
        return _matches(repository, self.repository)

    def valid(self, now: datetime) -> bool:
        """Neither revoked nor run out."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A browser that has signed in. `digest` is of the cookie's secret; `csrf` is what its forms must carry."""

    digest: str
    login: str
    csrf: str
    created: datetime
    expires: datetime
    """Later with every use, up to a day after which it ends whatever happens."""
    address: str = ""
    agent: str = ""
    """What the browser says that it is, for its owner to know it again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Something that a person changed by the server, or tried to."""

    seq: int
    time: datetime
    login: str
    """"" for somebody who was not signed in."""
    action: str
    """`run.start`, `token.create`, `login.failed`: a noun and a verb."""
    subject: str
    allowed: bool
    detail: str = ""
    address: str = ""
    """Where the request came from."""
