"""Which instances are the new version, which the one that it replaces, and how a query can name them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.ports.target import Instance, Observed

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """The instances of one promotion."""

    instances: tuple[Instance, ...]

    @property
    def promotion(self) -> str:
        """Its promotion."""
        return self.instances[0].promotion

    @property
    def started(self) -> datetime | None:
        """When its first instance began."""
        return min((item.started for item in self.instances if item.started), default=None)

    @property
    def words(self) -> Mapping[str, str]:
        """What queries may name; `instances` and `addresses` are for `=~`, several of them with `|` between."""
        one = self.instances[0]
        return {
            "release": one.release,
            "promotion": one.promotion,
            "image": one.image,
            "digest": one.image.partition("@")[2],
            "instances": _any_of([item.name for item in self.instances]),
            "addresses": _any_of([address for item in self.instances for address in item.addresses]),
        }


def versions(observed: Observed, promotion: str) -> tuple[Version | None, Version | None]:
    """The new version and the old one. The new one is what the promotion brought; without one, or where it found its
    release there already, it is what serves, the youngest of several."""
    there = {item.promotion for item in observed.instances}
    new = promotion if promotion in there else _youngest(observed.serving)
    mine = tuple(item for item in observed.instances if new and item.promotion == new)
    others = [item for item in observed.instances if item.promotion != new]
    old = _youngest([item for item in others if item.serving] or others)
    theirs = tuple(item for item in others if old and item.promotion == old)
    return (Version(instances=mine) if mine else None, Version(instances=theirs) if theirs else None)


def _youngest(instances: Sequence[Instance]) -> str:
    return max(instances, key=lambda item: item.started or _LONG_AGO).promotion if instances else ""


def _any_of(names: Sequence[str]) -> str:
    """A pattern for exactly these; a dot in brackets needs no backslash, which a query would have to double."""
    return "|".join(re.sub(r"\.", "[.]", name) for name in dict.fromkeys(names))
