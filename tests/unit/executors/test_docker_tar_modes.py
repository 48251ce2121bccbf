"""Modes change within a tar stream of any shape, and nothing else does."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.executors.docker.tar_modes import change_modes, git_mode, shared_mode

names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=150
)
entries = st.lists(
    st.tuples(
        names.filter(lambda name: name not in (".", "..")),
        st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE]),
        st.integers(min_value=0, max_value=0o777),
        st.binary(max_size=2000),
    ),
    max_size=12,
)


def packed(items: list[tuple[str, bytes, int, bytes]], form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, kind, mode, content in items:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, mode
            entry.linkname = "elsewhere" if kind == tarfile.SYMTYPE else ""
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def unpacked(content: bytes) -> list[tuple[str, bytes, int, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [
            (entry.name, entry.type, entry.mode, source.read() if (source := archive.extractfile(entry)) else b"")
            if entry.isreg()
            else (entry.name, entry.type, entry.mode, b"")
            for entry in archive
        ]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@given(items=entries, cut=st.integers(min_value=1, max_value=5000))
def test_only_modes_change(form: int, items: list[tuple[str, bytes, int, bytes]], cut: int) -> None:
    before = packed(items, form)
    after = b"".join(change_modes((before[at : at + cut] for at in range(0, len(before), cut)), git_mode))
    assert len(after) == len(before)
    wanted = [
        (name, kind, mode if kind == tarfile.SYMTYPE else git_mode(kind[0], mode), content)
        for name, kind, mode, content in unpacked(before)
    ]
    assert unpacked(after) == wanted


@pytest.mark.parametrize(
    ("kind", "mode", "shared", "gits"),
    [
        pytest.param("0", 0o644, 0o666, 0o644, id="file"),
        pytest.param("0", 0o600, 0o666, 0o644, id="private-file"),
        pytest.param("0", 0o755, 0o777, 0o755, id="program"),
        pytest.param("0", 0o4750, 0o4777, 0o755, id="set-user-id"),
        pytest.param("5", 0o700, 0o777, 0o755, id="folder"),
    ],
)
def test_modes_for_stages_and_for_git(kind: str, mode: int, shared: int, gits: int) -> None:
    assert (shared_mode(ord(kind), mode), git_mode(ord(kind), mode)) == (shared, gits)


def test_content_larger_than_a_chunk_passes() -> None:
    items = [("big", tarfile.REGTYPE, 0o600, bytes(range(256)) * 4000), ("after", tarfile.REGTYPE, 0o700, b"x")]
    after = unpacked(b"".join(change_modes(io.BytesIO(packed(items, tarfile.PAX_FORMAT)), shared_mode)))
    assert after == [("big", tarfile.REGTYPE, 0o666, items[0][3]), ("after", tarfile.REGTYPE, 0o777, b"x")]
