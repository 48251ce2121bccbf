"""The operations' policy: who people are, what they may do, and what counts as protected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.model.definition import EnvironmentDefinition

NO_POLICY = ""
"""The revision where there is no policy file."""


class Right(StrEnum):
    """What only listed groups may do, where the policy lists any for it."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    OVERRIDE = "override"
    HOLD = "hold"
    FREEZE = "freeze"


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who may approve: known to git by these addresses, and by these Ed25519 keys (`ed25519:` + base64)."""

    name: str
    git: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Protected:
    """Branches and tags (globs) of a repository whose releases count as protected."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy file, parsed. `revision` is the digest of its bytes and of all files that it names.

    Its environments replace those of the pipeline file; `environments` is None where it has none of its own.
    """

    revision: str = NO_POLICY
    file: str = ""
    people: Mapping[str, Person] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    servers: tuple[str, ...] = ()
    """Public keys of servers that are believed when they say who was signed in."""
    rights: Mapping[Right, tuple[str, ...]] = field(default_factory=dict)
    """Right → groups; a right that is not listed is everybody's."""
    protected: Mapping[str, Protected] = field(default_factory=dict)
    environments: tuple[EnvironmentDefinition, ...] | None = None
    scripts: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What stands in the files that its gates run, by their paths from the policy file."""

    def members(self, group: str) -> tuple[str, ...]:
        """The people of a group; nobody for a group that is not there."""
        return self.groups.get(group, ())

    def person_of(self, address: str) -> str:
        """Whose git address that is (without regard to case), or ""."""
        wanted = address.strip().lower()
        for person in self.people.values():
            if any(item.lower() == wanted for item in person.git):
                return person.name
        return ""

    def owner_of(self, key: str) -> str:
        """Whose public key that is, or ""."""
        return next((person.name for person in self.people.values() if key in person.keys), "")

    def may(self, person: str, right: Right) -> bool:
        """Whether somebody has a right."""
        groups = self.rights.get(right)
        return groups is None or any(person in self.members(group) for group in groups)
