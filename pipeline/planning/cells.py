"""Written stages to those of the plan: cells of a matrix, parts of a split, and needs that name them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.errors import DefinitionError
from pipeline.model.definition import MatrixRule, Need, StageDefinition
from pipeline.model.matrix import MAX_CELLS, Cell, cell_name, cells_of, matches, part_name
from pipeline.model.template import has_expression
from pipeline.planning.typed import wrong
from pipeline.planning.values import Resolver

MAX_EDGES: Final = 500_000
"""Needs between the stages of one plan."""
_WHOLE: Final[Cell] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One stage that a written stage becomes: its name, its cell, and which part of a split it is (0: none)."""

    name: str
    cell: Cell = field(default_factory=dict)
    part: int = 0


def members_of(stage: StageDefinition) -> tuple[Member, ...]:
    """The stages that a written one becomes, in order; itself where it has neither matrix nor split."""
    if stage.matrix is None and stage.split is None:
        return (Member(name=stage.name),)
    cells = [(cell_name(stage.matrix, cell), cell) for cell in cells_of(stage.matrix)] if stage.matrix else [("", {})]
    if stage.split is None:
        return tuple([Member(name=f"{stage.name}:{name}", cell=cell) for name, cell in cells])
    return tuple(
        [
            Member(
                name=f"{stage.name}:{part_name(name, part, stage.split.into)}",
                cell={**cell, "split": str(part)},
                part=part,
            )
            for name, cell in cells
            for part in range(1, stage.split.into + 1)
        ]
    )


class Graph:
    """Who became what, so that needs of written stages become needs of their members."""

    def __init__(self, known: Iterable[StageDefinition] = ()) -> None:
        """`known`: stages of the plan that are there already, each a member by itself."""
        self._members: dict[str, list[Member]] = {}
        self._all: dict[tuple[str, object, bool], tuple[Need, ...]] = {}
        self._edges = 0
        self._count = 0
        for stage in known:
            member = Member(name=stage.name, cell=stage.cell)
            self._members.setdefault(stage.written, []).append(member)
            if stage.name != stage.written:
                self._members[stage.name] = [member]
            self._count += 1

    def put(self, stage: StageDefinition) -> tuple[Member, ...]:
        """The members of a written stage. DefinitionError where the plan would have too many stages."""
        found = members_of(stage)
        self._count += len(found)
        if self._count > MAX_CELLS:
            message = f"with the {len(found):,} cells of '{stage.name}' the plan has more than {MAX_CELLS:,} stages"
            raise wrong(message, stage.position, note="take values out of a matrix, or parts out of a split")
        self._members[stage.name] = list(found)
        return found

    def shared_needs(self, stage: StageDefinition, count: int) -> tuple[Need, ...] | None:
        """The needs that all members of a written stage have; None where they differ from member to member."""
        if any(has_expression(value) for need in stage.needs for value in need.matrix.values()):
            return None
        needs = self._unfolded(stage, stage.needs)
        self._count_edges(stage, len(needs) * count)
        return needs

    def own_needs(self, stage: StageDefinition, resolver: Resolver) -> tuple[Need, ...]:
        """The needs of one member, where its own cell says which."""
        needs = self._unfolded(stage, [replace(need, matrix=resolver.mapping(need.matrix)) for need in stage.needs])
        self._count_edges(stage, len(needs))
        return needs

    def _count_edges(self, stage: StageDefinition, more: int) -> None:
        self._edges += more
        if self._edges > MAX_EDGES:
            message = f"with the needs of '{stage.written}' the stages need each other more than {MAX_EDGES:,} times"
            note = "put one stage between them: it needs all of the one side, and the other side needs it"
            raise wrong(message, stage.position, note=note)

    def _unfolded(self, stage: StageDefinition, needs: Sequence[Need]) -> tuple[Need, ...]:
        if all(not need.matrix and self._is_itself(need.stage) for need in needs):
            return tuple(needs)
        return tuple([need for written in needs for need in self._unfold(stage, written)])

    def _is_itself(self, name: str) -> bool:
        found = self._members.get(name, ())
        return len(found) == 1 and found[0].name == name

    def _unfold(self, stage: StageDefinition, need: Need) -> Iterator[Need]:
        found = self._members.get(need.stage)
        if found is None:
            return  # optional, or the language would have refused it
        if not need.matrix:
            key = (need.stage, need.rule, need.emitted)
            if key not in self._all:
                self._all[key] = tuple([_edge(need, member.name) for member in found])
            yield from self._all[key]
            return
        edges = [_edge(need, member.name) for member in found if matches(member.cell, need.matrix)]
        if not edges and not need.optional:
            raise _no_cell(stage, need)
        yield from edges


def _edge(need: Need, name: str) -> Need:
    return Need(stage=name, rule=need.rule, emitted=need.emitted)


def _no_cell(stage: StageDefinition, need: Need) -> DefinitionError:
    words = ", ".join(f"{axis} '{value}'" for axis, value in need.matrix.items())
    return wrong(
        f"stage '{stage.written}' needs the cell of '{need.stage}' with {words}, which does not exist", stage.position
    )


def own_cell(written: StageDefinition, member: Member, rule: MatrixRule | None) -> Mapping[str, object]:
    """The fields in which a member differs from its written stage; `rule` is what all of its cells have of a matrix."""
    if member.name == written.name:
        return {}
    return {"name": member.name, "group": written.name, "cell": member.cell, "matrix": rule}


def rule_of_cells(written: StageDefinition) -> MatrixRule | None:
    """What a cell keeps of its matrix: how the run treats its cells, not all of their values in each of them."""
    return None if written.matrix is None else MatrixRule(fail_fast=written.matrix.fail_fast)
