"""Finding entries in a tar file, and the records of its extended headers."""

from __future__ import annotations

import io
import tarfile

import pytest

from pipeline.executors.docker.tar_blocks import END, extended, pax_record
from pipeline.executors.docker.tar_index import index, parse
from pipeline.executors.layer_stream import is_opaque, is_whiteout, make_opaque, set_time, time_of, whiteout

NAMES = ["f", "d/f", "ä ö/ß", "x" * 99, "y" * 100, "z" * 101, "deep/" * 60 + "file", "./d/g"]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_every_entry_is_found_where_it_stands(form: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for number, name in enumerate(NAMES):
            entry = tarfile.TarInfo(name)
            entry.size = number * 300
            archive.addfile(entry, io.BytesIO(bytes([number]) * entry.size))
    found = index(buffer)
    assert [item.name for item in found] == [name.removeprefix("./") for name in NAMES]
    assert [item.start for item in found] == [0, *(item.end for item in found[:-1])]
    for number, item in enumerate(found):
        part = buffer.getvalue()[item.start : item.end] + END
        with tarfile.open(fileobj=io.BytesIO(part)) as archive:
            file = archive.extractfile(archive.getmembers()[0])
            assert file is not None
            assert file.read() == bytes([number]) * (number * 300)


def test_records_are_read_as_they_were_written() -> None:
    records = pax_record(b"path", "ä=b\n".encode()) + pax_record(b"SCHILY.xattr.x", bytes(range(256)))
    assert parse(records) == {b"path": "ä=b\n".encode(), b"SCHILY.xattr.x": bytes(range(256))}
    plain = tarfile.TarInfo("f").tobuf(tarfile.USTAR_FORMAT)
    assert index(io.BytesIO(extended(pax_record(b"path", b"other")) + plain + END))[0].name == "other"


def test_a_folder_that_hides_and_a_path_that_is_gone_survive_an_archive() -> None:
    folder = tarfile.TarInfo("d")
    folder.type = tarfile.DIRTYPE
    make_opaque(folder)
    set_time(folder, 1_700_000_000_123_456_789)
    with tarfile.open(
        fileobj=io.BytesIO(folder.tobuf(tarfile.PAX_FORMAT) + whiteout("gone").tobuf(tarfile.PAX_FORMAT) + END)
    ) as archive:
        first, second = archive.getmembers()
    assert (is_opaque(first), is_whiteout(first), time_of(first)) == (True, False, 1_700_000_000_123_456_789)
    assert (is_opaque(second), is_whiteout(second)) == (False, True)
