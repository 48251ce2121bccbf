"""The stream that a builder gets: filtered, with git's modes, equal for equal content."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime

import pytest

from pipeline.errors import StorageError
from stages.build_context import build_context

TIME = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def stream(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, *, mode: int = 0o666, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.linkname, info.uid, info.mtime = mode, kind, link, 1000, 12345
    info.pax_headers = {"SCHILY.xattr.system.posix_acl_default": "rwx"}
    return info


def test_modes_owners_and_times_are_stable() -> None:
    given = stream(
        (member("./", kind=tarfile.DIRTYPE, mode=0o777), b""),
        (member("./a.txt"), b"text"),
        (member("./bin", kind=tarfile.DIRTYPE, mode=0o777), b""),
        (member("./bin/tool", mode=0o777), b"#!"),
        (member("./link", kind=tarfile.SYMTYPE, link="a.txt"), b""),
        (member("./pipe", kind=tarfile.FIFOTYPE), b""),
    )
    whole = b"".join(build_context([given[:700], given[700:]], TIME, ignores=lambda _: False))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        found = {info.name: (info.mode, info.uid, info.mtime, info.linkname, info.pax_headers) for info in tar}
        assert tar.extractfile("bin/tool").read() == b"#!"  # type: ignore[union-attr]
    seconds = int(TIME.timestamp())
    assert found == {
        "a.txt": (0o644, 0, seconds, "", {}),
        "bin": (0o755, 0, seconds, "", {}),
        "bin/tool": (0o755, 0, seconds, "", {}),
        "link": (0o777, 0, seconds, "a.txt", {}),
    }


def test_what_is_ignored_is_not_sent() -> None:
    given = stream((member("a"), b"1"), (member("b"), b"2" * 100_000), (member("c"), b"3"))
    whole = b"".join(build_context([given], TIME, ignores=lambda path: path == "b"))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert tar.getnames() == ["a", "c"]
        assert tar.extractfile("c").read() == b"3"  # type: ignore[union-attr]


def test_a_broken_archive_is_said() -> None:
    with pytest.raises(StorageError, match="archive is broken"):
        list(build_context([b"x" * 2048], TIME, ignores=lambda _: False))
