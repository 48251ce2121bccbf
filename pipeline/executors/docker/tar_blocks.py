"""Tar blocks made by hand: files, and folders that root and every other user may write and that pass this on."""

from __future__ import annotations

import struct
import tarfile

from pipeline.executors.docker.slot_names import BATCH, slot_name

END = bytes(1024)
"""What ends a tar stream."""
ACL_RECORD = b"SCHILY.xattr.system.posix_acl_default"
USER, GROUP, OTHER = 0x01, 0x04, 0x20
NOBODY = 0xFFFFFFFF
DEFAULT_ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 7, NOBODY) for tag in (USER, GROUP, OTHER))
"""The kernel's form (linux/posix_acl_xattr.h): version 2, then tag, permissions and id of each entry."""


def folder_header(path: str, *, inherited: bool) -> bytes:
    """Tar blocks for a folder with mode 0777; `inherited` adds the default ACL that its children take over."""
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o777
    plain = entry.tobuf(tarfile.USTAR_FORMAT)
    return extended(pax_record(ACL_RECORD, DEFAULT_ACL)) + plain if inherited else plain


def pax_record(key: bytes, value: bytes) -> bytes:
    """One record of an extended header: made by hand, because tarfile would write the value as UTF-8."""
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def extended(records: bytes) -> bytes:
    """Tar blocks of an extended header with these records."""
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, len(records)
    return entry.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


def file_blocks(name: str, content: bytes, *, mode: int = 0o644) -> bytes:
    """Tar blocks of one file."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    return entry.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def batch(start: int, top: str = "", *, count: int = BATCH) -> bytes:
    """Tar blocks of the folders of the next layers below `top`: `u` for what a stage writes, `w` for the kernel."""
    above = f"{top}/" if top else ""
    blocks = [folder_header(top, inherited=False)] if top else []
    for number in range(start, start + count):
        blocks.append(folder_header(f"{above}{slot_name(number)}/u", inherited=True))
        blocks.append(folder_header(f"{above}{slot_name(number)}/w", inherited=False))
    return b"".join(blocks)
