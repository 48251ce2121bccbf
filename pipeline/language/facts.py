"""Which facts an expression of a file may read at the place where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.language.matrices import Cells
from pipeline.language.problems import suggestion
from pipeline.language.values import Found

_STAGE_FACTS: Final = ("conclusion", "outputs", "cells")
_LATE: Final = ("stages", "run")

Unknown = tuple[str, str, str]
"""Name, message and note."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What expressions of a file may name."""

    variables: Collection[str]
    stages: Collection[str]
    cells: Mapping[str, Cells] = field(default_factory=dict)
    outputs: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Stages that run commands with the outputs that they declare; those of other kinds have outputs of their own."""
    environments: frozenset[str] = frozenset()
    """Stages that name an environment."""


def unknown_facts(read: Iterable[str], found: Found, names: Names) -> Iterable[Unknown]:
    """Everything among the names that an expression reads which is not there, or not there yet."""
    for name in read:
        root, _, rest = name.partition(".")
        if found.label == "early" and root in _LATE:
            yield name, f"'{name}' is known only during the run, and this is decided before it", ""
        elif root == "variables":
            yield from _variable(name, rest, names)
        elif root == "matrix":
            yield from _matrix(name, rest, found, names)
        elif root == "environment":
            yield from _environment(name, found, names)
        elif root == "stages" and rest:
            yield from _stage(name, rest, names)


def _variable(name: str, variable: str, names: Names) -> Iterable[Unknown]:
    if variable and not variable.startswith("?") and variable not in names.variables:
        note = suggestion(variable, names.variables) or "define it under 'variables'"
        yield name, f"variable '{variable}' is not defined", note


def _matrix(name: str, axis: str, found: Found, names: Names) -> Iterable[Unknown]:
    match found.path[0]:
        case "stages":
            cells = names.cells.get(str(found.path[1]))
            keys = cells.keys if cells else frozenset()
            if not keys:
                yield name, f"stage '{found.path[1]}' has no matrix", ""
                return
        case "defaults":
            keys = frozenset().union(*(cells.keys for cells in names.cells.values()))
        case _:
            yield name, "a matrix belongs to a stage: there is none here", ""
            return
    if axis and not axis.startswith("?") and axis not in keys:
        yield name, f"the matrix has no '{axis}'", suggestion(axis, keys) or f"it has {', '.join(sorted(keys))}"


def _environment(name: str, found: Found, names: Names) -> Iterable[Unknown]:
    match found.path[0]:
        case "stages" if str(found.path[1]) in names.environments:
            return
        case "stages":
            yield name, f"stage '{found.path[1]}' has no environment", "deploy and smoke stages have one"
        case "environments" | "defaults":
            return
        case _:
            yield name, "there is no environment here", "deploy and smoke stages have one"


def _stage(name: str, rest: str, names: Names) -> Iterable[Unknown]:
    stage, _, rest = rest.partition(".")
    fact, _, item = rest.partition(".")
    if stage.startswith("?"):
        return
    written, colon, cell = f"{stage}.{rest}".partition(":")
    if colon and written in names.cells:
        one = next((item for item in names.cells[written].all if cell.startswith(item)), "…")
        yield name, f"a cell of '{written}' is not read by its name", f"write stages.{written}.cells['{one}']"
        return
    if stage not in names.stages:
        yield f"stages.{stage}", f"stage '{stage}' does not exist", suggestion(stage, names.stages)
        return
    if fact and fact.lstrip("?") not in _STAGE_FACTS:
        note = suggestion(fact, _STAGE_FACTS) or "a stage has 'conclusion', 'outputs' and, with a matrix, 'cells'"
        yield name, f"a stage has no '{fact}'", note
        return
    cells = names.cells.get(stage)
    if fact == "cells":
        if cells is None:
            yield name, f"stage '{stage}' has no matrix", "read its 'outputs'"
        elif item and not item.startswith("?") and item not in cells.all:
            yield name, f"there is no cell '{stage}:{item}'", suggestion(item, cells.all)
    elif fact == "outputs" and cells is not None:
        some = next(iter(cells.all))
        yield name, f"each cell of stage '{stage}' has outputs of its own", f"such as stages.{stage}.cells['{some}']"
    elif fact == "outputs" and item and not item.startswith("?") and item not in names.outputs.get(stage, (item,)):
        note = suggestion(item, names.outputs[stage]) or f"name it under 'outputs' of stage '{stage}'"
        yield name, f"stage '{stage}' has no output '{item}'", note
