"""The quarantine: whom it spares, until when, and files that are wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.model.quarantine import Quarantine, quarantined, read_quarantine
from pipeline.model.report import TestCase, TestReport, TestStatus
from pipeline.operations.quarantining import entries_of, quarantine

TODAY = date(2026, 11, 24)


def entry(test: str, *, until: date = TODAY, stage: str = "") -> Quarantine:
    return Quarantine(test=test, until=until, reason="#1", place="q.yml:2", stage=stage)


def case(name: str, classname: str = "tests.test_till", status: TestStatus = TestStatus.FAILED) -> TestCase:
    return TestCase(suite="s", classname=classname, name=name, status=status)


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        pytest.param("tests.test_till::test_a", "test_a", True, id="class and name"),
        pytest.param("test_a", "test_a", True, id="name alone"),
        pytest.param("test_a", "test_ab", False, id="not its beginning"),
        pytest.param("tests.test_till::*", "test_a", True, id="all of a class"),
        pytest.param("test_a[*]", "test_a[1-x]", True, id="brackets are letters"),
        pytest.param("test_a[1]", "test_a1", False, id="and no set of letters"),
        pytest.param("*_a*b*c", "test_a_b_bc", True, id="several stars"),
        pytest.param("est*est", "est", False, id="pieces do not overlap"),
        pytest.param("*", "anything", True, id="everything"),
    ],
)
def test_names(pattern: str, name: str, covered: bool) -> None:
    assert entry(pattern).covers(case(name), "unit") is covered


def test_only_failures_within_their_time_and_stage_are_spared() -> None:
    report = TestReport(
        cases=(
            case("a"),
            case("b"),
            case("c"),
            case("d", status=TestStatus.PASSED),
            case("e", status=TestStatus.ERRORED),
        ),
        unlisted={TestStatus.FAILED: 1},
    )
    over = entry("b", until=date(2026, 11, 23))
    entries = [entry("a"), over, entry("c", stage="other"), entry("d", until=date(2026, 1, 1)), entry("e")]
    judged = quarantined(report, entries, stage="unit", today=TODAY)
    assert [bool(item.quarantined) for item in judged.report.cases] == [True, False, False, False, True]
    assert judged.ended == (over,)
    assert (judged.report.failed, judged.report.quarantined) == (3, 2)
    assert judged.report.cases[0].quarantined == "until 2026-11-24: #1"
    assert judged.report.summary == "1 passed, 4 failed, 1 errored, 2 of them in quarantine"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "there is no list `quarantine`", id="empty"),
        pytest.param("quarantine: {}", "there is no list `quarantine`", id="no list"),
        pytest.param("quarantine: [", "cannot be read", id="no YAML"),
        pytest.param("quarantine:\n  - x", "q.yml:2: 'x' is no key", id="no mapping"),
        pytest.param("quarantine:\n  - {test: x, reason: y}", "q.yml:2: the quarantine has no `until`", id="no end"),
        pytest.param("quarantine:\n  - {test: x, until: 2026-01-01, reason: ' '}", "has no `reason`", id="no reason"),
        pytest.param("quarantine:\n  - {test: x, until: never, reason: y}", "`until: never` is no day", id="no day"),
        pytest.param("quarantine:\n  - {test: x, who: me}", "'who' is no key", id="unknown key"),
        pytest.param("quarantine:\n  - {test: [x], until: 2026-01-01, reason: y}", "'test' is no key", id="no text"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_quarantine(text.encode(), file="q.yml")
    assert words in caught.value.message
    assert caught.value.hint


def test_an_entry_is_appended_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "tests" / "quarantine.yml"
    assert entries_of(path, name="q.yml") == ()
    first = quarantine(path, name="q.yml", test='a::b["x"]', until=TODAY, reason='says "no"')
    path.write_text(path.read_text() + "  # a remark\n")
    before = path.read_text()
    second = quarantine(path, name="q.yml", test="c", until=TODAY, reason="#2: später", stage="unit")
    assert path.read_text().startswith(before)
    assert entries_of(path, name="q.yml") == (first, second)
    assert (first.test, second.stage) == ('a::b["x"]', "unit")
    with pytest.raises(UsageError, match="c is in quarantine until 2026-11-24"):
        quarantine(path, name="q.yml", test="c", until=TODAY, reason="again", stage="unit")


def test_a_file_that_cannot_be_continued_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "q.yml"
    text = "quarantine: [{test: a, until: 2026-12-01, reason: b}]\n"
    path.write_text(text)
    with pytest.raises(UsageError, match="does not end in a list") as caught:
        quarantine(path, name="q.yml", test="c", until=TODAY, reason="d")
    assert 'test: "c"' in caught.value.hint
    assert path.read_text() == text
