"""What is refused of an XML report before any reader sees it."""

from __future__ import annotations

from pipeline.errors import StorageError

SIZE_LIMIT = 64 * 1024 * 1024
DEPTH_LIMIT = 100
"""How deep suites may stand in each other."""


def examine(content: bytes, *, file: str) -> None:
    """Raises StorageError for a report that is too large or declares entities.

    No report needs entities of its own; they are how a small file becomes a large one, or brings files of this
    machine along, with readers that expand them.
    """
    if len(content) > SIZE_LIMIT:
        raise StorageError(f"{file} has more than {SIZE_LIMIT} bytes", hint="split the report")
    words = (b"<!ENTITY", "<!ENTITY".encode("utf-16-le"), "<!ENTITY".encode("utf-16-be"))
    if any(word in content for word in words):
        raise StorageError(f"{file} is not well-formed for us: it declares entities", hint="write it without a DTD")
