"""The cells of a matrix: every combination of its axes, less what is excluded, with what is included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

from pipeline.model.definition import MatrixRule

MAX_CELLS = 20_000
"""Stages that one matrix may become, and stages that one plan may have."""

MAX_WORK = 2_000_000
"""Cells times what `exclude` and `include` name, over a file: each is held against each."""

Cell = Mapping[str, str]


def size(rule: MatrixRule) -> int:
    """The most cells that a matrix can have, without making them."""
    return (prod(len(values) for values in rule.axes.values()) if rule.axes else 0) + len(rule.include)


def work(rule: MatrixRule) -> int:
    """How often a cell is held against something that `exclude` or `include` names."""
    combinations = prod(len(values) for values in rule.axes.values()) if rule.axes else 0
    return combinations * (len(rule.exclude) + len(rule.include))


def cells_of(rule: MatrixRule) -> tuple[dict[str, str], ...]:
    """The cells in the order of the axes' values; what `include` adds comes last.

    An `include` whose values agree with those of a combination adds to it what it does not have, else it is a cell of
    its own. It never changes a value of an axis. The caller has looked at `size` and `work`.
    """
    names = tuple(rule.axes)
    combinations = product(*rule.axes.values()) if names else ()
    cells = [dict(zip(names, values, strict=True)) for values in combinations]
    if rule.exclude:
        cells = [cell for cell in cells if not any(matches(cell, wanted) for wanted in rule.exclude)]
    own: list[dict[str, str]] = []
    for extra in rule.include:
        fixed = {name: value for name, value in extra.items() if name in rule.axes}
        alike = [cell for cell in cells if matches(cell, fixed)]
        for cell in alike:
            cell.update(extra)
        if not alike:
            own.append(dict(extra))
    return (*cells, *own)


def matches(cell: Cell, wanted: Cell) -> bool:
    """Whether a cell has all these values."""
    return all(cell.get(name) == value for name, value in wanted.items())


def cell_name(rule: MatrixRule, cell: Cell) -> str:
    """What stands behind the colon: the axes' values, or for a cell that lacks one of them all of its values."""
    if rule.axes and all(name in cell for name in rule.axes):
        return ",".join([cell[name] for name in rule.axes])
    return ",".join(cell.values())


def cell_names(rule: MatrixRule) -> tuple[str, ...]:
    """The names of all cells, in order."""
    return tuple(cell_name(rule, cell) for cell in cells_of(rule))


def part_name(cell: str, part: int, parts: int) -> str:
    """A part of a split: `1/4`, or behind the name of its cell `3.10,1/4`."""
    return f"{cell},{part}/{parts}" if cell else f"{part}/{parts}"


def keys_of(rule: MatrixRule) -> frozenset[str]:
    """Every name that a cell may have a value for."""
    return frozenset(rule.axes).union(*rule.include) if rule.include else frozenset(rule.axes)


def doubled(names: Sequence[str]) -> str | None:
    """The first name that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
