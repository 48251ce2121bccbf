"""A ledger as a file: each entry as the canonical JSON that its hash covers, and its head at the end."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from pipeline.errors import DiskFullError, UsageError
from pipeline.model.ledger import Link, spelled_entry
from pipeline.operations.ledger_head import Head, parse_head
from pipeline.ports.records import Records

_PAGE: Final = 2000
_LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a line that are read: no entry is as long."""
NOTHING: Final = b'{"head":null,"signature":null}\n'
"""The last line of an empty ledger."""

Progress = Callable[[int], None]


def write_export(records: Records, head: Head | None, out: BinaryIO, *, progress: Progress) -> int:
    """Every entry up to the head, a line each, then the head; returns how many entries."""
    out.writelines(export_lines(records, head, progress=progress))
    return head.seq if head is not None else 0


def export_lines(records: Records, head: Head | None, *, progress: Progress = lambda _: None) -> Iterator[bytes]:
    """The same, some lines at a time."""
    last = head.seq if head is not None else 0
    after = 0
    while after < last:
        page = records.ledger(after=after, limit=min(_PAGE, last - after))
        yield b"".join(spelled_entry(entry) + b"\n" for entry in page)
        after = page[-1].seq
        progress(after)
    yield head.line.encode() + b"\n" if head is not None else NOTHING


def write_file(path: Path, write: Callable[[BinaryIO], int]) -> int:
    """Through a draft beside it, so that what was there stays whole until all is written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as out:
            written = write(out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise DiskFullError(f"no space is left to write {path}") from error
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="name a file that can be written") from error
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return written


class Export:
    """An export that is read once, from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.head: Head | None = None
        """Known once all links were read."""
        self.problem = ""
        """What is wrong with the file as a file, once all links were read: "" = nothing."""

    def links(self) -> Iterator[Link]:
        """Its entries. UsageError where the file cannot be read at all."""
        seq, ended = 0, False
        for line in self._lines():
            if ended:
                self.problem = "something stands behind the head of the export"
                return
            if line.startswith(b'{"head"'):
                ended = True
                self.head = parse_head(line.decode(errors="replace"))
                if self.head is None and line != NOTHING.strip():
                    self.problem = "the head of the export cannot be read"
                continue
            seq += 1
            yield _link(seq, line)
        if not ended:
            self.problem = "the export has no head: its end was cut off"

    def first(self) -> str:
        """The hash of its first entry, "" for none."""
        line = next(self._lines(), b"")
        return _link(1, line).hash if line and not line.startswith(b'{"head"') else ""

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                while line := file.readline(_LONGEST):
                    yield line.rstrip(b"\n")
        except OSError as error:
            raise UsageError(
                f"cannot read {self._path}: {error.strerror}", hint="name a file that `ecluse ledger export` wrote"
            ) from error


def _link(seq: int, line: bytes) -> Link:
    """What a line says and claims. The hash is of the line itself without its `hash`: were it spelled otherwise than
    it was sealed, it would be another hash."""
    try:
        told = json.loads(line)
        place, claimed, previous = int(told["seq"]), str(told["hash"]), str(told["previous"])
        behind = f',"previous":"{previous}","reason":'.encode()
        mark = f',"hash":"{claimed}"'.encode()
        at = line.rfind(mark + behind)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Link(seq=seq, previous="", hash="", hashed="unreadable")
    hashed = hashlib.sha256(line[:at] + line[at + len(mark) :]).hexdigest() if at >= 0 else ""
    return Link(seq=place, previous=previous, hash=claimed, hashed=hashed)
