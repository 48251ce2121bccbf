"""Links that lead out of the workspace: an engine unpacks none below a folder, so they are put in afterwards."""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
from dataclasses import dataclass, field

HARMLESS = b"."
"""What such a link names until then."""
NAME, UID, GID, MTIME = slice(0, 100), slice(108, 116), slice(116, 124), slice(136, 148)
LENGTH = re.compile(rb"([1-9]\d*) ")
TOTAL, LINK, PREFIX = slice(148, 156), slice(157, 257), slice(345, 500)
USTAR = b"ustar\0"


@dataclass(slots=True)
class Links:
    """Takes such links out of a stream that flows by, and gives them back as an archive of their own."""

    found: list[tarfile.TarInfo] = field(default_factory=list)
    _path: str = ""
    _target: str = ""

    def extended(self, buffer: bytearray, start: int, end: int) -> None:
        """Look at the records of an extended header: names that are too long for the header behind it."""
        self._path = self._target = ""
        position = start
        while found := LENGTH.match(buffer, position, end):
            length = int(found[1])
            key, _, value = bytes(buffer[position : position + length - 1]).partition(b" ")[2].partition(b"=")
            if key == b"path":
                self._path = value.decode("utf-8", "surrogateescape")
            elif key == b"linkpath" and b".." in value:
                # too long for the header behind it: where that stands is not known yet, so each is put in afterwards
                self._target = value.decode("utf-8", "surrogateescape")
                at = position + length - 1 - len(value)
                buffer[at : at + len(value)] = b"x" * len(value)
            position += length

    def header(self, buffer: bytearray, start: int, *, symlink: bool) -> None:
        """Look at the header of an entry; one of a link that leads out is made harmless."""
        path, target = self._path, self._target
        self._path = self._target = ""
        if not symlink:
            return
        head = buffer[start : start + 512]
        path = path or _name(head)
        long = bool(target)
        target = target or _text(head[LINK])
        if long or leads_out(path, target):
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            info.uid, info.gid, info.mtime = (_number(head[place]) for place in (UID, GID, MTIME))
            self.found.append(info)
        if not long and leads_out(path, target):
            _set_link(buffer, start)

    def archive(self, folder: str) -> bytes:
        """The links below a folder, to be unpacked at the root."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info in self.found:
                archive.addfile(info.replace(name=f"{folder.strip('/')}/{info.name}", deep=False))
        return out.getvalue()


def leads_out(path: str, target: str) -> bool:
    """Whether a link at `path` below a folder names something outside of it, not from the root."""
    if not target or target.startswith("/"):
        return False
    place = posixpath.normpath(posixpath.join(posixpath.dirname(posixpath.normpath(path.lstrip("/"))), target))
    return place == ".." or place.startswith("../")


def _name(head: bytearray) -> str:
    prefix = _text(head[PREFIX]) if head[257:263] == USTAR else ""
    return f"{prefix}/{_text(head[NAME])}" if prefix else _text(head[NAME])


def _text(field: bytearray) -> str:
    return bytes(field).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _number(field: bytearray) -> int:
    return 0 if field[0] & 0x80 else int(bytes(field).strip(b"\0 ") or b"0", 8)


def _set_link(buffer: bytearray, start: int) -> None:
    place = slice(start + LINK.start, start + LINK.stop)
    total = slice(start + TOTAL.start, start + TOTAL.stop)
    old, new = buffer[place], HARMLESS.ljust(100, b"\0")
    checksum = int(bytes(buffer[total]).strip(b"\0 ") or b"0", 8) - sum(old) + sum(new)
    buffer[place] = new
    buffer[total] = b"%06o\0 " % checksum
