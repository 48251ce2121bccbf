"""The cells of a file's stages: what a matrix may be, and whether the cells that somebody names exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline.language.draft import Draft, StageDraft
from pipeline.language.graph import CHECKOUT
from pipeline.language.problems import Problems, listing, suggestion
from pipeline.language.tree import MapNode, Path, entry_at, key_span_at, span_at
from pipeline.language.values import Found
from pipeline.model.definition import MatrixRule, SplitRule
from pipeline.model.matrix import (
    MAX_CELLS,
    MAX_WORK,
    cell_name,
    cells_of,
    doubled,
    keys_of,
    matches,
    part_name,
    size,
    work,
)
from pipeline.model.template import OPEN

_SHOWN = 4
_KEYS = ("matrix", "exclude", "split")


@dataclass(kw_only=True)
class Cells:
    """The cells that a stage will have; asked for only where somebody names one."""

    matrix: MatrixRule | None = None
    split: SplitRule | None = None
    planned: Mapping[str, Mapping[str, str]] | None = None
    """Those of a plan that is there already."""

    @cached_property
    def all(self) -> Mapping[str, Mapping[str, str]]:
        """Name behind the colon to values, parts of a split included."""
        if self.planned is not None:
            return self.planned
        cells = {cell_name(self.matrix, cell): cell for cell in cells_of(self.matrix)} if self.matrix else {"": {}}
        if self.split is None:
            return cells
        parts = range(1, self.split.into + 1)
        return {
            part_name(name, part, self.split.into): {**cell, "split": str(part)}
            for name, cell in cells.items()
            for part in parts
        }

    @property
    def keys(self) -> frozenset[str]:
        """What `matrix.` may be followed by."""
        if self.planned is not None:
            return frozenset().union(*self.planned.values()) - {"split"}
        return keys_of(self.matrix) if self.matrix else frozenset()


def check_matrices(draft: Draft, bad: set[Path]) -> dict[str, Cells]:
    """Report what no matrix can be, and take it out of the draft; the stages that have cells.

    What a stage has at paths in `bad` is not looked at.
    """
    broken = {path[:3] for path in bad if len(path) > 2}
    found: dict[str, Cells] = {}
    spent = 0
    for stage in draft.stages:
        values = stage.values or {}
        for key in _KEYS:
            if ("stages", stage.name, key) in broken:
                values.pop(key, None)
        if "exclude" in values and not values.get("matrix") and ("stages", stage.name, "matrix") not in broken:
            place = key_span_at(draft.root, ("stages", stage.name, "exclude"))
            draft.problems.add("matrix", f"stage '{stage.name}' excludes cells and has no matrix", place)
        if stage.matrix is None and stage.split is None:
            continue
        problems = draft.problems.errors
        spent += work(stage.matrix) if stage.matrix else 0
        _check(draft, stage, spent)
        if draft.problems.errors > problems:
            values.pop("matrix", None)
            values.pop("exclude", None)
        if stage.matrix is not None or stage.split is not None:
            found[stage.name] = Cells(matrix=stage.matrix, split=stage.split)
    return found


def _check(draft: Draft, stage: StageDraft, spent: int) -> None:
    """`spent`: the `work` of this stage's matrix and of those before."""
    problems, rule, path = draft.problems, stage.matrix, ("stages", stage.name)
    if stage.kind == CHECKOUT:
        key = "matrix" if rule else "split"
        problems.add("matrix", "there is one checkout: it has no cells", key_span_at(draft.root, (*path, key)))
        return
    if rule is None:
        return
    place = key_span_at(draft.root, (*path, "matrix"))
    total = size(rule) * (stage.split.into if stage.split else 1)
    if total > MAX_CELLS:
        message = f"stage '{stage.name}' would have {total:,} cells, more than {MAX_CELLS:,}"
        problems.add("matrix", message, place, note="exclude does not count: take values out of the axes")
        return
    if spent > MAX_WORK:
        message = f"with stage '{stage.name}' cells are held {spent:,} times against an exclude or include"
        problems.add("matrix", message, place, note=f"at most {MAX_WORK:,}: take values out of the axes instead")
        return
    if stage.split and "split" in keys_of(rule):
        problems.add("matrix", f"stage '{stage.name}' has a split and an axis 'split'", place, note="rename the axis")
        return
    errors = problems.errors
    for axis, items in rule.axes.items():
        if (twice := doubled(items)) is not None:
            problems.add("matrix", f"axis '{axis}' has '{twice}' twice", span_at(draft.root, (*path, "matrix", axis)))
    for excluded in _excluded(path, draft):
        _check_excluded(draft, stage.name, rule, excluded)
    if problems.errors > errors or not (rule.include or rule.exclude or _has_commas(rule)):
        return
    names = [cell_name(rule, cell) for cell in cells_of(rule)]
    if not names:
        problems.add("matrix", f"stage '{stage.name}' has no cell left", place, note="everything is excluded")
    if (twice := doubled(names)) is not None:
        message = f"two cells of stage '{stage.name}' are called '{twice}'"
        problems.add("matrix", message, place, note="cells must differ in the values of their axes")


def _has_commas(rule: MatrixRule) -> bool:
    return any("," in value for values in rule.axes.values() for value in values)


def _excluded(path: Path, draft: Draft) -> Iterator[Path]:
    for key in ((*path, "exclude"), (*path, "matrix", "exclude")):
        entry = entry_at(draft.root, key)
        if entry is not None:
            items = 1 if isinstance(entry.value, MapNode) else len(getattr(entry.value, "items", ()))
            yield from ((*key, index) for index in range(items))


def _check_excluded(draft: Draft, stage: str, rule: MatrixRule, path: Path) -> None:
    entry = entry_at(draft.root, path)
    if entry is None or not isinstance(entry.value, MapNode):
        return
    for name, item in entry.value.entries.items():
        if name not in rule.axes:
            message = f"the matrix of stage '{stage}' has no axis '{name}'"
            draft.problems.add("unknown-cell", message, item.key.span, note=suggestion(name, rule.axes))
            continue
        text = getattr(item.value, "text", "")
        if text not in rule.axes[name]:
            message = f"axis '{name}' of stage '{stage}' has no value '{text}'"
            draft.problems.add("unknown-cell", message, item.value.span, note=_some(rule.axes[name]))


def check_cell_needs(draft: Draft, cells: Mapping[str, Cells]) -> None:
    """Report needs of cells that do not exist, and of what is emitted by stages that emit nothing."""
    emitters = {stage.name for stage in draft.stages if (stage.values or {}).get("emits")}
    for stage in draft.stages:
        needs = (stage.values or {}).get("needs")
        for index, need in enumerate(needs if isinstance(needs, list) else ()):
            if not isinstance(need, dict):
                continue
            path: Path = ("stages", stage.name, "needs", index)
            if need.get("matrix"):
                _check_cell_need(draft, stage.name, need, path, cells)
            if need.get("emitted") is True and need.get("stage") not in emitters:
                message = f"stage '{need.get('stage')}' emits no stages"
                draft.problems.add("emits", message, key_span_at(draft.root, (*path, "emitted")))


def _check_cell_need(
    draft: Draft, stage: str, need: Mapping[str, object], path: Path, cells: Mapping[str, Cells]
) -> None:
    other, wanted = str(need.get("stage")), need["matrix"]
    if not isinstance(wanted, dict) or need.get("optional") is True:
        return
    known = cells.get(other)
    place = key_span_at(draft.root, (*path, "matrix"))
    if known is None or not known.keys:
        message = f"stage '{stage}' needs cells of '{other}', which has no matrix"
        draft.problems.add("unknown-cell", message, place)
        return
    for axis in wanted:
        if axis not in known.keys:
            message = f"the matrix of stage '{other}' has no axis '{axis}'"
            span = key_span_at(draft.root, (*path, "matrix", axis))
            draft.problems.add("unknown-cell", message, span, note=suggestion(axis, known.keys))
            return
    fixed = {axis: value for axis, value in wanted.items() if OPEN not in value}
    if not any(matches(cell, fixed) for cell in known.all.values()):
        words = listing([f"{axis} '{value}'" for axis, value in fixed.items()], conjunction="and")
        message = f"stage '{stage}' needs the cell of '{other}' with {words}, which does not exist"
        note = _some(known.all)
        draft.problems.add("unknown-cell", message, place, note=note)


def check_cell_names(found: Iterable[Found], cells: Mapping[str, Cells], problems: Problems) -> set[Path]:
    """Report names of cells that do not exist, and stages with cells where a single one is wanted; their paths."""
    bad: set[Path] = set()
    for path, node, label in found:
        if label != "stage-name" or OPEN in node.text:
            continue
        name, _, cell = node.text.partition(":")
        known = cells.get(name)
        if len(path) > 2 and path[2] == "needs":
            if known is None or not cell:
                continue
            note = f"write {{stage: {name}, matrix: {{…}}}} with some of the cell's values"
            problems.add("unknown-stage", f"'{node.text}' is no stage", node.span, note=note)
        elif cell and (known is None or cell not in known.all):
            note = _some([f"{name}:{one}" for one in known.all]) if known else f"'{name}' has no matrix"
            problems.add("unknown-cell", f"there is no cell '{node.text}'", node.span, note=note)
        elif known is not None and not cell:
            words = f"stage '{name}' has {len(known.all)} cells, and one is wanted here"
            problems.add("several-cells", words, node.span, note=_some([f"{name}:{one}" for one in known.all]))
        else:
            continue
        bad.add(path)
    return bad


def _some(names: Iterable[str]) -> str:
    items = list(names)
    more = " …" if len(items) > _SHOWN else ""
    return "there is " + ", ".join(f"'{name}'" for name in items[:_SHOWN]) + more
