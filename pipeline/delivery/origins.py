"""Which definition of an environment counts: nobody loosens a gate in the change that has to pass it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.value import Value, digest_of, to_value


@dataclass(frozen=True, kw_only=True, slots=True)
class Tip:
    """The environments at the tip of the default branch; `name` is what people call it (`main (4f1c0de1a2b3)`)."""

    name: str
    environments: tuple[EnvironmentDefinition, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a commit is looked at for. `proposed`: it is of a pull request; `trusted`: it is of a protected branch or
    tag; `hosted`: a CI host runs it, so that it need not be anybody's at this machine."""

    proposed: bool = False
    trusted: bool = False
    hosted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """An environment that counts; `otherwise` is what the commit itself says where that is something else."""

    environment: EnvironmentDefinition
    otherwise: EnvironmentDefinition | None = None


def choose(
    own: Sequence[EnvironmentDefinition], tip: Tip | None, around: Surroundings, *, here: str
) -> tuple[Chosen, ...]:
    """Those of the commit in its order, then those that only the tip has. `here` is what people call the commit.

    Without a `tip` nothing is known of the default branch.
    """
    if tip is None:
        return tuple(Chosen(environment=_alone(item, around, here)) for item in own)
    theirs = {item.name: item for item in tip.environments}
    names = {item.name for item in own}
    chosen = [_of_both(item, theirs.get(item.name), tip, around, here) for item in own]
    chosen += [Chosen(environment=_from(item, tip.name)) for item in tip.environments if item.name not in names]
    return tuple(chosen)


def guarded(environment: EnvironmentDefinition) -> bool:
    """Whether anything keeps releases out of it."""
    return bool(environment.gates or environment.after)


def same(one: EnvironmentDefinition, other: EnvironmentDefinition) -> bool:
    """Whether two definitions say the same, wherever they stand."""
    return digest_of(_bare(to_value(one))) == digest_of(_bare(to_value(other)))


def _alone(mine: EnvironmentDefinition, around: Surroundings, here: str) -> EnvironmentDefinition:
    if around.trusted or mine.allow_dirty or not (around.hosted or guarded(mine)):
        return _from(mine, here)
    return replace(
        _from(mine, here),
        unfounded="nobody can tell here what the default branch says of it",
    )


def _of_both(
    mine: EnvironmentDefinition, theirs: EnvironmentDefinition | None, tip: Tip, around: Surroundings, here: str
) -> Chosen:
    if theirs is None:
        return Chosen(environment=_new(mine, tip, around, here))
    if same(mine, theirs):
        return Chosen(environment=_from(theirs, tip.name))
    if theirs.allow_dirty or not (guarded(theirs) or around.proposed):
        return Chosen(environment=_from(mine, here))
    return Chosen(environment=_from(theirs, tip.name), otherwise=mine)


def _new(mine: EnvironmentDefinition, tip: Tip, around: Surroundings, here: str) -> EnvironmentDefinition:
    """Where nothing is guarded yet there is nothing to get round."""
    guards = guarded(mine) or any(guarded(item) for item in tip.environments)
    if mine.allow_dirty or not (guards or around.proposed):
        return _from(mine, here)
    return replace(_from(mine, here), unfounded=f"{tip.name} does not have it yet")


def _from(environment: EnvironmentDefinition, origin: str) -> EnvironmentDefinition:
    return replace(environment, origin=origin)


_PLACES = frozenset({"position", "origin", "unfounded", "typed"})


def _bare(value: Value) -> Value:
    """Without places in files."""
    if isinstance(value, Mapping):
        return {name: _bare(item) for name, item in value.items() if name not in _PLACES}
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return [_bare(item) for item in value]
