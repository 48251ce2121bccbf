"""Bytes to nodes: YAML events with positions, every limit that keeps a hostile file from costing more than its size."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from pipeline.diagnostic import Position
from pipeline.language.problems import Problems
from pipeline.language.tree import Entry, ListNode, MapNode, Mark, Node, Scalar, Source, Span, span_of, split_lines

MAX_BYTES: Final = 10 * 1024 * 1024
"""The most that a file may hold, and the most that it may expand to through its aliases."""
MAX_DEPTH: Final = 64
_NODE_COST: Final = 16
_TAG: Final = "tag:yaml.org,2002:"
_CORE_TAGS: Final = frozenset({"str", "int", "float", "bool", "null", "map", "seq", "merge"})
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS: Final = {
    "found character that cannot start any token": "this character cannot start a value",
    "mapping values are not allowed in this context": "a ':' cannot stand here",
    "did not find expected key": "a key was expected here",
    "did not find expected node content": "a value was expected here",
    "could not find expected ':'": "a ':' was expected here",
    "found unexpected end of stream": "the file ends inside a quoted text",
    "did not find expected ',' or ']'": "a ',' or ']' was expected here",
    "did not find expected ',' or '}'": "a ',' or '}' was expected here",
    "did not find expected '-' indicator": "an item ('- …') was expected here",
    "found a tab character where an indentation space is expected": "a tab cannot indent: YAML wants spaces",
    "block sequence entries are not allowed in this context": "a list item cannot stand here",
}

_TOO_DEEP: Final = "exceeded maximum nesting depth"
"""The words of newer parsers, which look far ahead and meet their own limit before ours."""


Broken: TypeAlias = tuple[str, Position, str]
"""Why a text cannot be read, where, and what to do."""


class _BrokenError(Exception):
    """Reading cannot go on; the problem is already kept."""


class _Anchored(NamedTuple):
    node: Node
    cost: int


class _Open:
    """A collection whose end has not been read yet."""

    __slots__ = ("anchor", "entries", "is_map", "items", "key", "merges", "start", "start_cost")

    def __init__(self, *, is_map: bool, start: Any, anchor: str | None, start_cost: int) -> None:
        self.is_map = is_map
        self.start = start
        self.anchor = anchor
        self.start_cost = start_cost
        self.items: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.merges: list[Entry] = []
        self.key: Scalar | None = None


def read(text: bytes, *, file: str) -> tuple[Node | None, Problems]:
    """The top node, or None when the file is empty or cannot be read; what stands against it is in the problems."""
    source, bad = decode(text, file)
    problems = Problems(source)
    return nodes(source, bad, problems, size=len(text)), problems


def nodes(source: Source, bad: Broken | None, problems: Problems, *, size: int, included: bool = False) -> Node | None:
    """The top node of a source of `size` bytes; the marks of an included one carry its name."""
    name = source.file if included else ""
    if size > MAX_BYTES:
        problems.add("too-big", "the file is larger than 10 MiB", Span(0, 0, 0, 0, 1, 1, name))
        return None
    if bad is not None:
        problems.add("encoding", bad[0], bad[1], note=bad[2])
        return None
    reader = _Reader(_Named(source.text, name) if included else source.text, problems)
    try:
        return reader.document()
    except _BrokenError:
        return None
    except (yaml.YAMLError, ValueError) as error:
        _syntax(error, problems, name)
        return None


class _Named(StringIO):
    """A text that the parser knows by a name."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


def decode(text: bytes, file: str) -> tuple[Source, Broken | None]:
    """The text of a file, and what keeps it from being read."""
    bad: Broken | None = None
    try:
        decoded = text[: MAX_BYTES + 1].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8", "replace")
        decoded = text[: MAX_BYTES + 1].decode("utf-8", "replace")
        bad = ("the file is not UTF-8", _place(before, file), f"byte 0x{text[error.start]:02x}; save the file as UTF-8")
    if bad is None and (found := _UNPRINTABLE.search(decoded)):
        place = _place(decoded[: found.start()], file)
        bad = ("a control character cannot stand in a file", place, f"U+{ord(found.group()):04X}")
    return Source(file=file, text=decoded, lines=tuple(split_lines(decoded))), bad


def _place(before: str, file: str) -> Position:
    lines = split_lines(before)
    return Position(file=file, line=len(lines), column=len(lines[-1]) + 1)


def _syntax(error: Exception, problems: Problems, name: str) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    line, column, offset = (mark.line, mark.column, mark.index) if mark else (0, 0, 0)
    if problem == _TOO_DEEP:
        span = Span(line, column, offset, line, column + 1, offset + 1, name)
        problems.add("too-deep", f"nested deeper than {MAX_DEPTH} levels", span)
        return
    message = _WORDS.get(problem, problem)
    lines = problems.source.of(name).lines
    if line < len(lines) and lines[line][column : column + 1] == "\t":
        message = _WORDS["found a tab character where an indentation space is expected"]
        problems.add("tab", message, Span(line, column, offset, line, column + 1, offset + 1, name))
        return
    opened = getattr(error, "context_mark", None)
    related: tuple[tuple[str, Position], ...] = ()
    if opened and (opened.line, opened.column) != (line, column):
        end = (opened.line, opened.column + 1, opened.index + 1)
        start = Span(opened.line, opened.column, opened.index, *end, name)
        related = (("what is not ended starts here", problems.source.position(start)),)
    note = "put a text with ': ' in it in quotes" if message == "a ':' cannot stand here" else ""
    problems.add(
        "syntax", message, Span(line, column, offset, line, column + 1, offset + 1, name), note=note, related=related
    )


class _Reader:
    """Builds the nodes of one document from the parser's events; no recursion, so depth costs nothing."""

    def __init__(self, text: str | _Named, problems: Problems) -> None:
        self._parser: Any = CParser(text)
        self._problems = problems
        self._anchors: dict[str, _Anchored] = {}
        self._stack: list[_Open] = []
        self._cost = 0
        self._top: Node | None = None

    def document(self) -> Node | None:
        """Read to the end; the top node, or None for an empty file."""
        documents = 0
        get = self._parser.get_event
        while True:
            event = get()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._open(event, is_map=kind is yaml.MappingStartEvent)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close(event)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._stop(
                        "second-document",
                        "a pipeline file holds one document",
                        span_of(event.start_mark, event.end_mark),
                    )
            elif kind is yaml.StreamEndEvent:
                return self._top

    def _scalar(self, event: Any) -> None:
        start, end, text = event.start_mark, event.end_mark, event.value
        tag = self._tag(event) if event.tag else ""
        if "\0" in text:
            note = "U+0000; no program can be given it"
            self._problems.add("character", "a character cannot stand in a text", span_of(start, end), note=note)
        scalar = Scalar(text, event.implicit[0], tag, start, end)
        cost = len(text) + _NODE_COST
        self._cost += cost
        if self._cost > MAX_BYTES:
            self._too_big(start, end)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(scalar, cost)
        self._put(scalar)

    def _open(self, event: Any, *, is_map: bool) -> None:
        if event.tag:
            self._tag(event)
        if len(self._stack) >= MAX_DEPTH:
            span = span_of(event.start_mark, event.end_mark)
            self._stop("too-deep", f"nested deeper than {MAX_DEPTH} levels", span)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._cost += _NODE_COST
        if self._cost > MAX_BYTES:
            self._too_big(event.start_mark, event.end_mark)
        self._stack.append(_Open(is_map=is_map, start=event, anchor=event.anchor, start_cost=self._cost - _NODE_COST))

    def _close(self, event: Any) -> None:
        done = self._stack.pop()
        start, end = done.start.start_mark, event.end_mark
        node: Node
        if done.is_map:
            for merge in done.merges:
                self._merge(done, merge)
            node = MapNode(done.entries, start, end)
        else:
            node = ListNode(done.items, start, end)
        if done.anchor:
            self._anchors[done.anchor] = _Anchored(node, self._cost - done.start_cost)
        self._put(node)

    def _alias(self, event: Any) -> None:
        span = span_of(event.start_mark, event.end_mark)
        name = event.anchor
        if any(item.anchor == name for item in self._stack):
            self._stop("recursive-anchor", f"the alias '*{name}' stands inside the value that it names", span)
        anchored = self._anchors.get(name)
        if anchored is None:
            self._stop("unknown-anchor", f"no anchor '&{name}' is written above", span)
        self._cost += anchored.cost
        if self._cost > MAX_BYTES:
            self._too_big(event.start_mark, event.end_mark)
        self._put(anchored.node)

    def _put(self, node: Node) -> None:
        if not self._stack:
            self._top = node
            return
        parent = self._stack[-1]
        if not parent.is_map:
            parent.items.append(node)
        elif parent.key is None:
            if isinstance(node, Scalar):
                parent.key = node
            else:
                self._stop("key", "a key must be a text", node.span)
        else:
            key, parent.key = parent.key, None
            if key.text == "<<" and key.plain:
                parent.merges.append(Entry(key, node))
            elif key.text in parent.entries:
                first = self._problems.source.position(parent.entries[key.text].key.span)
                self._problems.add(
                    "duplicate-key",
                    f"the key '{key.text}' is written twice",
                    key.span,
                    note=f"first in line {first.line}",
                    related=(("first here", first),),
                )
            else:
                parent.entries[key.text] = Entry(key, node)

    def _merge(self, into: _Open, merge: Entry) -> None:
        sources = merge.value.items if isinstance(merge.value, ListNode) else [merge.value]
        for source in sources:
            if not isinstance(source, MapNode):
                self._problems.add("merge", "'<<' takes a mapping or a list of mappings", merge.value.span)
                return
            for name, entry in source.entries.items():
                into.entries.setdefault(name, entry)

    def _tag(self, event: Any) -> str:
        tag: str = event.tag
        if tag == "!":
            return "str"
        name = tag.removeprefix(_TAG)
        if tag.startswith(_TAG) and name in _CORE_TAGS:
            return name
        span = span_of(event.start_mark, event.end_mark)
        self._problems.add("unknown-tag", f"unknown tag '{tag}'", span, note="tags are not part of this file format")
        return ""

    def _too_big(self, start: Mark, end: Mark) -> NoReturn:
        note = "every alias counts as much as what it names, every value with its structure"
        self._stop("too-big", "the file would expand to more than 10 MiB", span_of(start, end), note)

    def _stop(self, code: str, message: str, span: Span, note: str = "") -> NoReturn:
        self._problems.add(code, message, span, note=note)
        raise _BrokenError
