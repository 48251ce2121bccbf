"""Included files: found, read and judged, each within limits and with the line that includes it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from pipeline.diagnostic import Position
from pipeline.errors import UsageError
from pipeline.language.joining import MERGED, NAMED, joined
from pipeline.language.problems import Problems, suggestion
from pipeline.language.reader import decode, nodes
from pipeline.language.tree import Entry, ListNode, MapNode, Node, Scalar, Span
from pipeline.ports.includes import Includes, Place, Wanted

KEY: Final = "include"
MAX_DEPTH: Final = 10
MAX_FILES: Final = 100
MAX_BYTES: Final = 1024 * 1024
"""The most that one included file may hold."""
MAX_TOTAL: Final = 10 * 1024 * 1024
"""The most that all of them may hold."""
_TAKEN: Final = frozenset({"version", KEY, *MERGED, *NAMED})
_OF_THE_PIPELINE: Final = frozenset(
    {"name", "triggers", "timeout", "fail_fast", "concurrency", "notify", "gates", "inputs"}
)
_KEYS: Final = ("git", "ref", "file")
_WRITE: Final = "write a path, or {git: URL, ref: REVISION, file: PATH}"


class _FullError(Exception):
    """A limit is reached; the problem is already kept."""


class Inclusion:
    """One pipeline file with all that it includes, at any distance."""

    def __init__(self, problems: Problems, includes: Includes | None) -> None:
        self._problems = problems
        self._includes = includes
        self._seen: set[tuple[str, str, str]] = set()
        self._total = 0
        self.texts: dict[str, bytes] = {}
        """Name of each included file to its bytes, in the order in which they were first named."""

    def whole(self, root: MapNode) -> MapNode:
        """The tree with everything put in, and without the key itself."""
        here = Place(file=posixpath.normpath(self._problems.source.file))
        included: list[MapNode] = []
        with suppress(_FullError):
            included += self._below(root, here, ())
        return joined(root, included, self._problems)

    def _below(self, root: MapNode, here: Place, way: tuple[tuple[Place, Position], ...]) -> Iterator[MapNode]:
        """What a file includes, each followed by what that one includes."""
        for node in _items(root):
            wanted = self._wanted(node)
            if wanted is None:
                continue
            position = self._problems.source.position(node.span)
            found = self._open(wanted, here, position, way)
            if found is not None:
                place, below = found
                yield below
                yield from self._below(below, place, (*way, (here, position)))

    def _open(
        self, wanted: Wanted, here: Place, position: Position, way: tuple[tuple[Place, Position], ...]
    ) -> tuple[Place, MapNode] | None:
        if self._includes is None:
            self._problems.add("include", "files cannot be included here", position)
            return None
        try:
            place = self._includes.place(wanted, by=here)
            key = (place.git, place.commit, place.file)
            if self._is_circle(key, (*way, (here, position))):
                return None
            if key in self._seen:
                return None
            self._limits(position, len(way))
            self._seen.add(key)
            text = self._includes.read(place, limit=MAX_BYTES)
        except UsageError as error:
            self._problems.add("include", error.message, position, note=error.hint)
            self._problems.partial = True
            return None
        self._total += len(text)
        if self._total > MAX_TOTAL:
            self._stop("the included files hold more than 10 MiB in all", position)
        self.texts[place.name] = text
        source, bad = decode(text, place.name)
        self._problems.include(source, position)
        errors = self._problems.errors
        root = nodes(source, bad, self._problems, size=len(text), included=True)
        if root is None and errors == self._problems.errors:
            self._problems.add("empty", "the included file is empty", Span(0, 0, 0, 0, 1, 1, place.name))
        return self._judged(root, place)

    def _is_circle(self, key: tuple[str, str, str], way: tuple[tuple[Place, Position], ...]) -> bool:
        places = [place for place, _ in way]
        first = next((index for index, place in enumerate(places) if (place.git, place.commit, place.file) == key), -1)
        if first < 0:
            return False
        circle = [place.name for place in places[first:]]
        path = " → ".join([*circle, circle[0]])
        related = tuple(
            (f"{place.name} includes {other}", position)
            for (place, position), other in zip(way[first:], [*circle[1:], circle[0]], strict=True)
        )
        self._problems.add("include-cycle", f"files include each other: {path}", way[-1][1], related=related)
        return True

    def _limits(self, position: Position, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self._stop(f"files include each other deeper than {MAX_DEPTH} levels", position)
        if len(self._seen) >= MAX_FILES:
            self._stop(f"more than {MAX_FILES} files are included", position)

    def _stop(self, message: str, position: Position) -> None:
        self._problems.add("include-limit", message, position)
        raise _FullError

    def _wanted(self, node: Node) -> Wanted | None:
        if isinstance(node, Scalar) and node.text:
            return Wanted(file=node.text)
        if not isinstance(node, MapNode):
            self._problems.add("include", "an include must name a file", node.span, note=_WRITE)
            return None
        words: dict[str, str] = {}
        for key, entry in node.entries.items():
            if key not in _KEYS:
                note = suggestion(key, _KEYS) or _WRITE
                self._problems.add("unknown-key", f"unknown key '{key}' in an include", entry.key.span, note=note)
            elif isinstance(entry.value, Scalar) and entry.value.text:
                words[key] = entry.value.text
            else:
                self._problems.add("wrong-type", f"'{key}' of an include must be a text", entry.value.span)
        for key in _KEYS:
            if key not in node.entries:
                self._problems.add("missing-key", f"an include lacks the key '{key}'", node.span, note=_WRITE)
        return Wanted(**words) if len(words) == len(_KEYS) else None

    def _judged(self, root: Node | None, place: Place) -> tuple[Place, MapNode] | None:
        """An included file's tree without what it cannot say."""
        if root is None:
            return None
        if not isinstance(root, MapNode):
            self._problems.add("wrong-type", "the file must hold keys and values at its top", root.span)
            return None
        entries = {name: entry for name, entry in root.entries.items() if self._takes(name, entry)}
        return place, MapNode(entries, root.start, root.end)

    def _takes(self, name: str, entry: Entry) -> bool:
        if name.startswith("x-"):
            return False
        if name in _OF_THE_PIPELINE:
            message = f"'{name}' belongs into the pipeline file itself, not into a file that it includes"
            self._problems.add("include-key", message, entry.key.span)
            return False
        if name not in _TAKEN:
            note = suggestion(name, _TAKEN) or f"one of {', '.join(sorted(_TAKEN))}"
            self._problems.add("unknown-key", f"unknown key '{name}' in an included file", entry.key.span, note=note)
            return False
        if name == "version":
            if not (isinstance(entry.value, Scalar) and entry.value.text == "1"):
                self._problems.add("wrong-value", "'version' must be 1", entry.value.span)
            return False
        if name == KEY:
            return True
        if not isinstance(entry.value, MapNode):
            self._problems.add("wrong-type", f"'{name}' must hold keys and values", entry.value.span)
            return False
        if name == "stages":
            self._with_needs(entry.value)
        return True

    def _with_needs(self, stages: MapNode) -> None:
        for name, entry in stages.entries.items():
            if not isinstance(entry.value, MapNode) or "needs" not in entry.value.entries:
                message = f"stage '{name}' of an included file must write its needs"
                note = "'needs: []' starts at once; only in the pipeline file itself the order of stages says it"
                self._problems.add("include-needs", message, entry.key.span, note=note)


def _items(root: MapNode) -> list[Node]:
    entry = root.entries.get(KEY)
    if entry is None:
        return []
    return list(entry.value.items) if isinstance(entry.value, ListNode) else [entry.value]
