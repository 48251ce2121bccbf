"""What a stage's commands hand to later stages: `NAME=value` lines in the file that $ECLUSE_OUTPUT names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.engine.chunks import ChunkFile
from pipeline.model.container import EXCHANGE

if TYPE_CHECKING:
    from pipeline.ports.executor import ContainerFiles

VARIABLE = "ECLUSE_OUTPUT"
FILE = f"{EXCHANGE}/output"
LIMIT = 64 * 1024
"""Bytes of the whole file: expressions read its values."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEREDOC = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)<<(.+)")


class OutputsError(Exception):
    """The file breaks its rules; the message says which."""


def read(files: ContainerFiles) -> str:
    """The text of the file in a container that has ended; "" when there is none."""
    archive = files.get(FILE)
    if archive is None:
        return ""
    content = _content(archive)
    if len(content) > LIMIT:
        raise OutputsError(f"they are longer than {LIMIT // 1024} KiB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise OutputsError("they are no UTF-8 text") from None


def parse(text: str) -> Mapping[str, str]:
    """Names and values; a later line of a name wins.

    `NAME=value`, or `NAME<<END` with the value on the lines up to one that is `END` alone. Empty lines are skipped.
    """
    found: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if equals and _NAME.fullmatch(name):
            found[name] = value
        elif heredoc := _HEREDOC.fullmatch(line):
            found[heredoc[1]] = _until(lines, heredoc[2].strip(), number)
        else:
            raise OutputsError(f"line {number} is not NAME=value")
    return found


def declared(
    text: str, names: Sequence[str], *, masked: Callable[[str], str], note: Callable[[str], None]
) -> Mapping[str, str]:
    """The values of `names`, in that order. A name that nobody declared is noted and dropped; one that is missing,
    or a value that holds a secret, is an OutputsError."""
    found = parse(text)
    for name in found:
        if name not in names:
            note(f"output '{name}' is dropped: the stage does not list it under `outputs`")
    missing = [name for name in names if name not in found]
    if missing:
        raise OutputsError(f"it has not written {', '.join(missing)} to ${VARIABLE}")
    for name in names:
        if masked(found[name]) != found[name]:
            raise OutputsError(f"{name} holds a secret, and outputs are stored as they are")
    return {name: found[name] for name in names}


def _until(lines: Iterator[tuple[int, str]], end: str, begun: int) -> str:
    value: list[str] = []
    for _, line in lines:
        if line == end:
            return "\n".join(value)
        value.append(line)
    raise OutputsError(f"the value that begins on line {begun} has no line '{end}' at its end")


def _content(archive: Iterable[bytes]) -> bytes:
    import tarfile

    with tarfile.open(fileobj=ChunkFile(archive), mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                return content.read(LIMIT + 1)
    raise OutputsError(f"${VARIABLE} is no regular file any more")
