"""The nodes of a pipeline file: what was written, where, before anybody asked what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias

from pipeline.diagnostic import Position

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the top of the file to a value."""


LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What YAML 1.1's scanner counts as the end of a line."""


def split_lines(text: str) -> list[str]:
    """The lines of a text as positions count them, without their ends."""
    return LINE_BREAK.split(text)


class Span(NamedTuple):
    """From the first to behind the last character; lines, columns and offsets count from 0."""

    line: int
    column: int
    offset: int
    end_line: int
    end_column: int
    end_offset: int
    file: str = ""
    """The name of an included file; any other name is the pipeline file itself."""


class Mark(Protocol):
    """A place as the YAML parser counts, from 0."""

    @property
    def name(self) -> str:
        """What the parser calls the text."""

    @property
    def line(self) -> int:
        """Lines before it."""

    @property
    def column(self) -> int:
        """Characters of its line before it."""

    @property
    def index(self) -> int:
        """Characters of the text before it."""


def span_of(start: Mark, end: Mark) -> Span:
    """From one mark to another."""
    return Span(start.line, start.column, start.index, end.line, end.column, end.index, start.name)


class Scalar(NamedTuple):
    """A text as it was written; `plain` when without quotes, `tag` one of the core tags (`str`) or empty."""

    text: str
    plain: bool
    tag: str
    start: Mark
    end: Mark

    @property
    def span(self) -> Span:
        """Where it stands."""
        return span_of(self.start, self.end)


class ListNode(NamedTuple):
    """A sequence."""

    items: Sequence[Node]
    start: Mark
    end: Mark

    @property
    def span(self) -> Span:
        """Where it stands."""
        return span_of(self.start, self.end)


class MapNode(NamedTuple):
    """A mapping with merge keys applied; a key's own place is kept beside its value."""

    entries: Mapping[str, Entry]
    start: Mark
    end: Mark

    @property
    def span(self) -> Span:
        """Where it stands."""
        return span_of(self.start, self.end)


class Entry(NamedTuple):
    """One key with its value."""

    key: Scalar
    value: Node


Node: TypeAlias = Scalar | ListNode | MapNode


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file's text with its lines, which positions are counted in."""

    file: str
    text: str
    lines: tuple[str, ...]
    others: Mapping[str, Source] = field(default_factory=dict)
    """The files that it includes, at any distance, by their names."""

    def of(self, file: str) -> Source:
        """The source of that name; the pipeline file itself for a name that no included file has."""
        return self.others.get(file, self)

    def position(self, span: Span) -> Position:
        """Where a span starts; its length stops at the end of the first line."""
        source = self.of(span.file)
        if span.end_line == span.line:
            length = span.end_column - span.column
        else:
            line = source.lines[span.line] if span.line < len(source.lines) else ""
            length = len(line.rstrip()) - span.column
        return Position(file=source.file, line=span.line + 1, column=span.column + 1, length=max(length, 1))

    def within(self, span: Span, needle: str, occurrence: int) -> Position:
        """Where the n-th occurrence of `needle` inside a span stands; the span itself where it cannot be found."""
        source = self.of(span.file)
        text, offset = source.text, span.offset - 1
        for _ in range(occurrence + 1):
            offset = text.find(needle, offset + 1, span.end_offset)
            if offset < 0:
                return self.position(span)
        start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
        between = text[span.offset : offset]
        line = span.line + between.count("\n")
        return Position(file=source.file, line=line + 1, column=offset - start + 1, length=len(needle))


def entry_at(root: Node, path: Path) -> Entry | None:
    """The key and value at a path, or None where nothing stands; a text that is short for a list is its item 0."""
    node = root
    entry: Entry | None = None
    for step in path:
        if isinstance(node, MapNode) and isinstance(step, str) and step in node.entries:
            entry = node.entries[step]
            node = entry.value
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            entry = Entry(entry.key, node) if entry else None
        elif step == 0 and entry is not None:
            continue
        else:
            return None
    return entry


def span_at(root: Node, path: Path) -> Span:
    """The place of the value at a path, or of the nearest thing around it."""
    while path:
        entry = entry_at(root, path)
        if entry is not None:
            return entry.value.span
        path = path[:-1]
    return root.span


def key_span_at(root: Node, path: Path) -> Span:
    """The place of the key at a path, or of the nearest thing around it."""
    if path and isinstance(path[-1], str):
        entry = entry_at(root, path)
        if entry is not None:
            return entry.key.span
    return span_at(root, path)
