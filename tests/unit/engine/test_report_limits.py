"""LCOV and what is refused of any report."""

from __future__ import annotations

import pytest

from pipeline.engine import coverage, junit
from pipeline.engine.xml_report import DEPTH_LIMIT
from pipeline.errors import StorageError
from pipeline.model.report import CoverageReport

BOMB = '<?xml version="1.0"{}?><!DOCTYPE a [<!ENTITY b "{}">]><testsuites name="&b;"/>'


@pytest.mark.parametrize(
    ("content", "covered", "total"),
    [
        pytest.param("SF:a\nDA:1,5\nDA:2,0\nLF:2\nLH:1\nend_of_record\n", 1, 2, id="lines and sums"),
        pytest.param("SF:a\nDA:1,5\nDA:2,0\nend_of_record\n", 1, 2, id="lines alone"),
        pytest.param("SF:a\nLF:10\nLH:4\nend_of_record\n", 4, 10, id="sums alone"),
        pytest.param("SF:a\nLH:4\nLF:10\nend_of_record\nSF:b\nLF:2\nLH:2\nend_of_record\n", 6, 12, id="two sources"),
        pytest.param(
            "TN:x\nSF:a\nDA:1,1\nDA:2,0\nend_of_record\nTN:y\nSF:a\nDA:1,0\nDA:2,3\nend_of_record\n",
            2,
            2,
            id="two tests of one source",
        ),
        pytest.param("SF:a\nDA:1,2,checksum\nend_of_record\n", 1, 1, id="checksums"),
        pytest.param("SF:a\r\nDA:1,1\r\nend_of_record\r\n", 1, 1, id="CRLF"),
        pytest.param("SF:a\nDA:1,-1\nDA:2,=====\nend_of_record\n", 0, 2, id="odd counts"),
    ],
)
def test_lcov(content: str, covered: int, total: int) -> None:
    assert coverage.read(content.encode(), file="lcov.info") == CoverageReport(covered=covered, total=total)


def test_what_is_neither_is_said() -> None:
    with pytest.raises(StorageError, match="neither Cobertura XML nor LCOV"):
        coverage.read(b"hello", file="lcov.info")


@pytest.mark.parametrize("read", [junit.read, coverage.read], ids=["junit", "coverage"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(BOMB.format("", "x" * 9).encode(), id="utf-8"),
        pytest.param(BOMB.format(' encoding="utf-16"', "x").encode("utf-16"), id="utf-16"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', id="a file of this machine"),
    ],
)
def test_entities_are_refused(read: object, content: bytes) -> None:
    assert callable(read)
    with pytest.raises(StorageError, match=r"r\.xml"):
        read(content, file="r.xml")


def test_suites_within_suites_have_a_bottom() -> None:
    def deep(levels: int) -> bytes:
        inner = '<testcase name="a"/>'
        return ("<testsuite>" * levels + inner + "</testsuite>" * levels).encode()

    assert junit.read(deep(DEPTH_LIMIT), file="r.xml").total == 1
    for levels in (DEPTH_LIMIT + 1, 20_000):
        with pytest.raises(StorageError, match="deep in each other"):
            junit.read(deep(levels), file="r.xml")
