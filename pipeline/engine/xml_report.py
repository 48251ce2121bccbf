"""Walks an XML report once, before any tree is made of it: what is hostile or too much of it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.errors import StorageError

SIZE_LIMIT = 64 * 1024 * 1024
DEPTH_LIMIT = 100
"""How deep suites may stand in each other."""
ELEMENTS_LIMIT = 500_000
"""Elements of a report of which a tree is made: each takes some hundred bytes, however short it is written."""
TAG_LIMIT = 8 * 1024 * 1024
"""Bytes of one tag with all its attributes."""
_CHUNK = 64 * 1024

Start = Callable[[str, Mapping[str, str]], None]


def examine(content: bytes, *, file: str, start: Start | None = None, elements: int = ELEMENTS_LIMIT) -> None:
    """Raises StorageError for a report that is too large, is no XML, or declares things of its own.

    `start` is told of each element as it begins, so that some readers need no tree. No report needs declarations:
    entities and default attributes are how a small file becomes a large one, or brings files of this machine along.
    """
    from xml.parsers import expat

    check_size(content, file)
    walk = _Walk(file, start, elements)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = walk.doctype
    parser.EntityDeclHandler = parser.AttlistDeclHandler = walk.declared
    parser.StartElementHandler = walk.element
    view = memoryview(content)
    try:
        for begin in range(0, len(content), _CHUNK):
            parser.Parse(bytes(view[begin : begin + _CHUNK]), False)
            if begin + _CHUNK - parser.CurrentByteIndex > TAG_LIMIT:
                raise StorageError(f"{file} has a tag of more than {TAG_LIMIT} bytes", hint="split the report")
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise StorageError(f"{file} is not well-formed XML: {error}", hint="was its writer stopped?") from error


def check_size(content: bytes, file: str) -> None:
    """Raises StorageError for a report that is too large to be looked at."""
    if len(content) > SIZE_LIMIT:
        raise StorageError(f"{file} has more than {SIZE_LIMIT} bytes", hint="split the report")


class _Walk:
    """What the parser tells."""

    def __init__(self, file: str, start: Start | None, elements: int) -> None:
        self._file = file
        self._start = start
        self._left = self._most = elements

    def doctype(self, _name: str, _system: str | None, _public: str | None, has_declarations: int) -> None:
        """A document type may be named (Cobertura does), and nobody fetches it."""
        if has_declarations:
            self.declared()

    def declared(self, *_words: object) -> None:
        """An entity, or an attribute that every element would get."""
        raise StorageError(
            f"{self._file} is not well-formed for us: it declares entities or attributes", hint="write it without a DTD"
        )

    def element(self, name: str, attributes: Mapping[str, str]) -> None:
        """One more begins."""
        self._left -= 1
        if self._left < 0:
            raise StorageError(f"{self._file} has more than {self._most:,} elements", hint="split the report")
        if self._start is not None:
            self._start(name, attributes)
