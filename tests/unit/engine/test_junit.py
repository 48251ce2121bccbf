"""JUnit XML: the dialects of others, the edges, and what is written is read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.engine import junit
from pipeline.errors import StorageError
from pipeline.model.report import TestCase, TestReport, TestStatus

TESTDATA = Path(os.environ.get("ECLUSE_TESTDATA", Path(__file__).resolve().parents[4] / "shared" / "testdata"))
MERGES_EQUAL_NAMES = "mocha/latex-utensils.xml"
"""The second tool counts cases of the same class and name once; the file itself says 109."""


def expectations() -> list[tuple[str, ...]]:
    table = TESTDATA / "junit" / "expected.tsv"
    if not table.exists():
        return []
    lines = table.read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]


@pytest.mark.skipif(not expectations(), reason="no testdata/junit here (ECLUSE_TESTDATA names its folder)")
def test_counts_agree_with_a_second_tool() -> None:
    checked = 0
    for file, verdict, *counts in expectations():
        content = (TESTDATA / "junit" / file).read_bytes()
        if verdict != "ok":
            with pytest.raises(StorageError) as caught:
                junit.read(content, file=file)
            assert caught.value.message.startswith(file)
            continue
        report = junit.read(content, file=file)
        _, tests, passed, skipped, failed, errors = map(int, counts)
        if file == MERGES_EQUAL_NAMES:
            assert report.total == 109
            assert len({(case.classname, case.name) for case in report.cases}) == tests
            continue
        seen = [report.total, *(report.count(status) for status in _ORDER)]
        assert seen == [tests, passed, skipped, failed, errors], file
        checked += 1
    assert checked >= 25


_ORDER = (TestStatus.PASSED, TestStatus.SKIPPED, TestStatus.FAILED, TestStatus.ERRORED)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "not well-formed", id="empty"),
        pytest.param(b"<testsuites><testsuite>", "not well-formed", id="cut off"),
        pytest.param(b"<html/>", "not a JUnit report", id="something else"),
        pytest.param(b"\x00\xff\xfe", "not well-formed", id="binary"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY b "%s">%s]><testsuites>&z;</testsuites>'
            % (b"x" * 100, b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 50) for c in range(99, 123))),
            "not well-formed",
            id="entity bomb",
        ),
    ],
)
def test_broken_reports_are_said_in_one_line(content: bytes, words: str) -> None:
    with pytest.raises(StorageError) as caught:
        junit.read(content, file="report.xml")
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_what_is_written_is_read_again() -> None:
    cases = (
        TestCase(suite="unit", classname="a.B", name="passes <&>", status=TestStatus.PASSED, seconds=0.5),
        TestCase(
            suite="unit", classname="a.B", name="fails", status=TestStatus.FAILED, message="1 != 2", details="at x"
        ),
        TestCase(suite="unit", classname="a.B", name="breaks", status=TestStatus.ERRORED, message="boom"),
        TestCase(suite="unit", classname="a.B", name="waits", status=TestStatus.SKIPPED, message="later"),
    )
    again = junit.read(junit.write([("unit", TestReport(cases=cases))]).encode(), file="x.xml")
    assert [(case.name, case.status, case.message) for case in again.cases] == [
        (case.name, case.status, case.message) for case in cases
    ]
