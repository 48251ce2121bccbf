"""Links that lead out of a folder, taken out of a tar stream wherever it is cut."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.executors.docker.tar_links import Links, leads_out
from pipeline.executors.docker.tar_modes import change_modes, same_mode

LINKS = {
    "up": "../../..",
    "in": "d/side",
    "d/side": "../../other",
    "d/near": "../up",
    "root": "/etc/passwd",
    "far": "../" * 60 + "etc",
    "deep/" * 40 + "out": "../" * 41 + "x",
    "deep/" * 40 + "within": "../" * 40 + "x",
    "ünï/c": "../../ö",
}
OUT = {"up", "d/side", "far", "deep/" * 40 + "out", "ünï/c"}


def packed(links: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, target in links.items():
            entry = tarfile.TarInfo(f"{name}.txt")
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()[: entry.size]))
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.uid, entry.mtime = tarfile.SYMTYPE, target, 1000, 7
            archive.addfile(entry)
    return buffer.getvalue()


def links_of(content: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {entry.name: entry.linkname for entry in archive if entry.issym()}


def through(stream: Iterable[bytes]) -> tuple[bytes, Links]:
    links = Links()
    return b"".join(change_modes(stream, same_mode, links)), links


@given(cut=st.integers(min_value=1, max_value=9000))
def test_what_leads_out_is_put_in_afterwards_as_it_was(cut: int) -> None:
    before = packed(LINKS)
    after, links = through(before[at : at + cut] for at in range(0, len(before), cut))
    assert len(after) == len(before)
    rest = links_of(after)
    assert not [name for name, target in rest.items() if leads_out(name, target)]
    later = {name.removeprefix("data/03/u/"): target for name, target in links_of(links.archive("/data/03/u")).items()}
    assert {**rest, **later} == LINKS
    assert set(later) >= OUT
    assert {(item.uid, item.mtime) for item in links.found} == {(1000, 7)}


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [
        pytest.param("a", "b", False, id="beside"),
        pytest.param("a", "..", True, id="above"),
        pytest.param("d/a", "..", False, id="the folder itself"),
        pytest.param("d/a", "../..", True, id="above the folder"),
        pytest.param("./d/a", "../b", False, id="a dotted path"),
        pytest.param("a", "d/../../b", True, id="in a roundabout way"),
        pytest.param("a", "..b/c", False, id="a name with dots"),
        pytest.param("a", "/b", False, id="absolute"),
    ],
)
def test_what_leads_out(path: str, target: str, out: bool) -> None:
    assert leads_out(path, target) is out
