"""Which definition of an environment counts, as a table: the default branch's, or the commit's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.delivery.origins import Chosen, Surroundings, Tip, choose, same
from pipeline.diagnostic import Position
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import GateDefinition, WindowRule

HERE, MAIN = "commit 1a2b3c4", "main (4f1c0de)"
PLAIN, PULL = Surroundings(), Surroundings(proposed=True, hosted=True)
JOB, PROTECTED = Surroundings(hosted=True), Surroundings(hosted=True, trusted=True)


def place(line: int) -> Position:
    return Position(file="pipeline.yml", line=line, column=1)


def written(name: str, *, line: int = 1, gated: bool = False, **changes: Any) -> EnvironmentDefinition:
    gate = GateDefinition(name="window", rule=WindowRule(timezone="UTC"), position=place(line + 1))
    return EnvironmentDefinition(name=name, position=place(line), gates=(gate,) if gated else (), **changes)


DEV, OTHER_DEV = written("dev"), written("dev", url="http://other")
PROD, LOOSE_PROD = written("prod", gated=True), written("prod")
PLAYGROUND = written("prod", gated=True, allow_dirty=True)
LATE = written("late", after=("dev",))
UNKNOWN = "nobody can tell here what the default branch says of it"
NOT_YET = f"{MAIN} does not have it yet"


@pytest.mark.parametrize(
    ("mine", "theirs", "around", "origin", "unfounded", "counts"),
    [
        pytest.param(PROD, PROD, PLAIN, MAIN, "", PROD, id="the same"),
        pytest.param(PROD, written("prod", gated=True, line=9), PLAIN, MAIN, "", PROD, id="the same on another line"),
        pytest.param(LOOSE_PROD, PROD, PLAIN, MAIN, "", PROD, id="a gate cannot be loosened"),
        pytest.param(PROD, LOOSE_PROD, PLAIN, HERE, "", PROD, id="a gate can be put where none is"),
        pytest.param(written("late"), LATE, PLAIN, MAIN, "", LATE, id="nor can the order"),
        pytest.param(LOOSE_PROD, PROD, PROTECTED, MAIN, "", PROD, id="nor on a protected branch"),
        pytest.param(written("prod", allow_dirty=True), PROD, PLAIN, MAIN, "", PROD, id="nor by its own word"),
        pytest.param(LOOSE_PROD, PLAYGROUND, PLAIN, HERE, "", LOOSE_PROD, id="a playground is everybody's"),
        pytest.param(OTHER_DEV, DEV, PLAIN, HERE, "", OTHER_DEV, id="nothing is guarded"),
        pytest.param(OTHER_DEV, DEV, PULL, MAIN, "", DEV, id="a pull request changes nothing"),
        pytest.param(OTHER_DEV, None, PLAIN, HERE, "", OTHER_DEV, id="new, nothing guarded"),
        pytest.param(OTHER_DEV, None, PULL, HERE, NOT_YET, OTHER_DEV, id="new in a pull request"),
        pytest.param(PROD, None, PLAIN, HERE, NOT_YET, PROD, id="new and guarded"),
        pytest.param(PLAYGROUND, None, PULL, HERE, "", PLAYGROUND, id="a new playground"),
    ],
)
def test_with_a_default_branch(
    mine: EnvironmentDefinition,
    theirs: EnvironmentDefinition | None,
    around: Surroundings,
    origin: str,
    unfounded: str,
    counts: EnvironmentDefinition,
) -> None:
    tip = Tip(name=MAIN, environments=(theirs,) if theirs else ())
    (chosen,) = choose((mine,), tip, around, here=HERE)
    assert (chosen.environment.origin, chosen.environment.unfounded) == (origin, unfounded)
    assert same(chosen.environment, counts)
    differs = origin == MAIN and theirs is not None and not same(mine, theirs)
    assert chosen.otherwise == (mine if differs else None)


@pytest.mark.parametrize(
    ("mine", "around", "unfounded"),
    [
        pytest.param(DEV, PLAIN, "", id="nothing guarded, on a machine"),
        pytest.param(PROD, PLAIN, UNKNOWN, id="guarded, on a machine"),
        pytest.param(DEV, JOB, UNKNOWN, id="in a job: its gates may have been taken out"),
        pytest.param(PLAYGROUND, JOB, "", id="a playground in a job"),
        pytest.param(PROD, PROTECTED, "", id="a protected branch says it itself"),
    ],
)
def test_without_one(mine: EnvironmentDefinition, around: Surroundings, unfounded: str) -> None:
    (chosen,) = choose((mine,), None, around, here=HERE)
    assert chosen == Chosen(environment=replace(mine, origin=HERE, unfounded=unfounded))


def test_an_unguarded_newcomer_beside_something_guarded_may_get_round_it() -> None:
    tip = Tip(name=MAIN, environments=(DEV, PROD))
    found = [item.environment for item in choose((OTHER_DEV, written("prod2")), tip, PLAIN, here=HERE)]
    assert [(item.name, item.origin, item.unfounded) for item in found] == [
        ("dev", HERE, ""),
        ("prod2", HERE, NOT_YET),
        ("prod", MAIN, ""),
    ]
