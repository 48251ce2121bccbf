"""A pipeline after includes, anchors, merge keys, defaults and matrix, with where each value came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from pipeline.diagnostic import Position
from pipeline.language.graph import CHECKOUT
from pipeline.language.load import Written
from pipeline.language.schema import Grammar
from pipeline.language.tree import Entry, ListNode, MapNode, Node, Scalar, Source
from pipeline.model.definition import Definition, EdgeRule, Need, StageDefinition
from pipeline.model.matrix import cell_name, cells_of, matches
from pipeline.model.template import OPEN, Expr, parts
from pipeline.ports.stage import StageKind

MERGED: Final = ("env", "resources", "services")
"""Keys whose defaults fill in name by name."""
_FORMAT: Final = "default of the format"
_MATRIX: Final = re.compile(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?<![.\w])matrix\s*\.\s*(?P<maybe>\??)(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
)
_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.)*'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a value stands, and how it came to where it is now: `defaults`, `cell unit:3.10`, `default of …`."""

    place: Position | None = None
    how: str = ""

    def __str__(self) -> str:
        return " in ".join(part for part in (self.how, str(self.place) if self.place else "") if part)


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A text; `plain` when it stood without quotes, so that it may be a number or a truth value."""

    text: str
    plain: bool
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Items:
    """A list."""

    items: Sequence[Grown]
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """A mapping; `origin` is that of its own key."""

    entries: Mapping[str, Grown]
    origin: Origin


Grown: TypeAlias = Leaf | Items | Keys


def expand(written: Written, definition: Definition, kinds: Mapping[str, StageKind]) -> Keys:
    """The whole pipeline. Both must be of one reading, and right.

    A matrix becomes its cells, named as stages may be (`unit_3_10_sqlite`), with their values in place of `matrix.…`;
    one whose outputs or conclusion some expression reads stays as it is written, because the name stands for them all.
    """
    assert written.root is not None  # noqa: S101 - a definition has been made of it
    return _Expansion(written.root, written.problems.source, definition, kinds).whole()


class _Expansion:
    def __init__(self, root: MapNode, source: Source, definition: Definition, kinds: Mapping[str, StageKind]) -> None:
        self._root = root
        self._source = source
        self._definition = definition
        self._grammar = Grammar(kinds)
        self._defaults = _children(root.entries.get("defaults"))
        self._written = _children(root.entries.get("stages"))
        read = set(re.findall(r"\bstages\s*\.\s*\??([a-z][a-z0-9_]*)", "\n".join(_texts(root))))
        self._cells = {
            stage.name: self._named_cells(stage)
            for stage in definition.stages
            if stage.matrix is not None and stage.name not in read
        }

    def whole(self) -> Keys:
        """Keys of the file in their order, `defaults` dissolved in the stages."""
        grown: dict[str, Grown] = {}
        for name, entry in self._root.entries.items():
            if name == "stages":
                grown[name] = Keys(entries=self._stages(), origin=self._origin(entry))
            elif name != "defaults" and not name.startswith("x-"):
                grown[name] = self._grown(entry)
        return Keys(entries=grown, origin=Origin())

    def _stages(self) -> dict[str, Grown]:
        stages: dict[str, Grown] = {}
        for stage in self._definition.stages:
            grown = self._stage(stage)
            cells = self._cells.get(stage.name)
            if cells is None:
                stages[stage.name] = grown
                continue
            rest = {name: value for name, value in grown.entries.items() if name not in ("matrix", "exclude")}
            for name, (label, cell) in cells.items():
                filled = {key: _filled(value, cell, label, (key,)) for key, value in rest.items()}
                stages[name] = Keys(entries=filled, origin=replace(grown.origin, how=f"cell {label}"))
        return stages

    def _named_cells(self, stage: StageDefinition) -> dict[str, tuple[str, Mapping[str, str]]]:
        """Name as a stage may have it → the cell's own name and its values."""
        assert stage.matrix is not None  # noqa: S101 - asked for these alone
        taken = {item.name for item in self._definition.stages}
        named: dict[str, tuple[str, Mapping[str, str]]] = {}
        for number, cell in enumerate(cells_of(stage.matrix), start=1):
            label = cell_name(stage.matrix, cell)
            name = f"{stage.name}_{re.sub(r'[^a-z0-9]+', '_', label.lower()).strip('_')}"
            name = f"{name}_{number}" if name in taken else name
            taken.add(name)
            named[name] = (f"{stage.name}:{label}", cell)
        return named

    def _stage(self, stage: StageDefinition) -> Keys:
        entry = self._written.get(stage.name)
        own = _children(entry)
        schema = self._grammar.stage(stage.kind)
        common = frozenset(schema["properties"]) - frozenset(schema["x-own"])
        grown: dict[str, Grown] = {}
        if "kind" not in own:
            grown["kind"] = Leaf(text=stage.kind, plain=True, origin=Origin(how=_FORMAT))
        for name, item in own.items():
            if name == "needs":
                grown[name] = self._needs(stage, item)
            elif not name.startswith("x-"):
                grown[name] = (
                    self._with_defaults(name, item) if name in MERGED and name in common else self._grown(item)
                )
        if "needs" not in own:
            grown["needs"] = self._needs(stage, None)
        for name, item in self._defaults.items():
            if entry is not None and name in common and name not in own:
                grown[name] = self._grown(item, how="defaults")
        implicit = f"{_FORMAT}: the source comes first" if stage.name == CHECKOUT else _FORMAT
        return Keys(entries=grown, origin=self._origin(entry) if entry else Origin(how=implicit))

    def _with_defaults(self, name: str, item: Entry) -> Grown:
        default = self._defaults.get(name)
        if not isinstance(item.value, MapNode) or default is None or not isinstance(default.value, MapNode):
            return self._grown(item)
        own = item.value.entries
        merged = {key: self._grown(entry, how="defaults") for key, entry in default.value.entries.items()}
        merged |= {key: self._grown(entry) for key, entry in own.items()}
        return Keys(entries=merged, origin=self._origin(item))

    def _needs(self, stage: StageDefinition, entry: Entry | None) -> Items:
        """The needs as they are meant, cells by their new names; those that nobody wrote say why they are there."""
        places = self._places(entry)
        items: list[Grown] = []
        for need in stage.needs:
            how = f"{_FORMAT}: the stage above" if entry is None else f"{_FORMAT}: it sees the source"
            origin = places.get(need.stage) or Origin(how=how)
            items += [_need(replace(need, stage=name, matrix={}), origin) for name in self._cell_names(need)] or [
                _need(need, origin)
            ]
        alone = Origin() if items else Origin(how=f"{_FORMAT}: it starts at once")
        return Items(items=items, origin=self._origin(entry) if entry else alone)

    def _cell_names(self, need: Need) -> list[str]:
        cells = self._cells.get(need.stage, {})
        return [name for name, (_, cell) in cells.items() if matches(cell, need.matrix)]

    def _places(self, entry: Entry | None) -> dict[str, Origin]:
        if entry is None:
            return {}
        nodes = entry.value.items if isinstance(entry.value, ListNode) else [entry.value]
        found: dict[str, Origin] = {}
        for node in nodes:
            named = node.entries["stage"].value if isinstance(node, MapNode) and "stage" in node.entries else node
            if isinstance(named, Scalar):
                found[named.text] = Origin(place=self._source.position(named.span))
        return found

    def _grown(self, entry: Entry, *, how: str = "") -> Grown:
        return self._of(entry.value, Origin(place=self._source.position(entry.key.span), how=how), how)

    def _of(self, node: Node, origin: Origin, how: str) -> Grown:
        if isinstance(node, Scalar):
            plain = node.plain and node.tag != "str"
            return Leaf(text=node.text, plain=plain, origin=Origin(place=self._source.position(node.span), how=how))
        if isinstance(node, ListNode):
            places = [Origin(place=self._source.position(item.span), how=how) for item in node.items]
            items = [self._of(item, place, how) for item, place in zip(node.items, places, strict=True)]
            return Items(items=items, origin=origin)
        return Keys(
            entries={name: self._grown(item, how=how) for name, item in node.entries.items() if name[:2] != "x-"},
            origin=origin,
        )

    def _origin(self, entry: Entry) -> Origin:
        return Origin(place=self._source.position(entry.key.span))


def _children(entry: Entry | None) -> Mapping[str, Entry]:
    return entry.value.entries if entry is not None and isinstance(entry.value, MapNode) else {}


def _need(need: Need, origin: Origin) -> Grown:
    name = Leaf(text=need.stage, plain=True, origin=origin)
    more: dict[str, Grown] = {}
    if need.rule is not EdgeRule.DEFAULT:
        more["if"] = Leaf(text=need.rule.value, plain=True, origin=origin)
    if need.optional:
        more["optional"] = Leaf(text="true", plain=True, origin=origin)
    if need.emitted:
        more["emitted"] = Leaf(text="true", plain=True, origin=origin)
    if need.matrix:
        values: dict[str, Grown] = {
            key: Leaf(text=value, plain=False, origin=origin) for key, value in need.matrix.items()
        }
        more["matrix"] = Keys(entries=values, origin=origin)
    return Keys(entries={"stage": name, **more}, origin=origin) if more else name


def _filled(grown: Grown, cell: Mapping[str, str], label: str, path: tuple[str, ...]) -> Grown:
    """The value with a cell's own in place of `matrix.…`."""
    if isinstance(grown, Items):
        return replace(grown, items=[_filled(item, cell, label, path) for item in grown.items])
    if isinstance(grown, Keys):
        entries = {name: _filled(item, cell, label, (*path, name)) for name, item in grown.entries.items()}
        return replace(grown, entries=entries)
    if path == ("when", "if") and OPEN not in grown.text:
        text = _in_expression(grown.text, cell)
    elif OPEN in grown.text:
        text = "".join(item if isinstance(item, str) else _spelt(item, cell) for item in parts(grown.text))
    else:
        return grown
    if text == grown.text:
        return grown
    how = ", ".join(part for part in (grown.origin.how, f"cell {label}") if part)
    return Leaf(text=text, plain=False, origin=replace(grown.origin, how=how))


def _spelt(piece: Expr, cell: Mapping[str, str]) -> str:
    text = _in_expression(piece.text, cell)
    if text != piece.text and _LITERAL.fullmatch(text.strip()):
        return re.sub(r"\\(.)", r"\1", text.strip()[1:-1])
    return f"${{{{ {text.strip()} }}}}"


def _in_expression(text: str, cell: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None or (name not in cell and not match["maybe"]):
            return match[0]
        if name not in cell:
            return "optional.none()"
        text = "'" + cell[name].replace("\\", "\\\\").replace("'", "\\'") + "'"
        return f"optional.of({text})" if match["maybe"] else text

    return _MATRIX.sub(value, text)


def _texts(node: Node) -> list[str]:
    """Every text below a node that may hold an expression over other stages."""
    if isinstance(node, Scalar):
        return [node.text] if "stages" in node.text else []
    below = node.items if isinstance(node, ListNode) else [entry.value for entry in node.entries.values()]
    return [text for item in below for text in _texts(item)]
