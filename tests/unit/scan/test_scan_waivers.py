"""Waivers take findings out of the verdict for a time, and never silently."""

from __future__ import annotations

import json
from datetime import date

import pytest

from pipeline.errors import UsageError
from pipeline.model.finding import Finding, FindingSeverity
from stages.scanning.report import CheckReport
from stages.scanning.sarif import sarif_document
from stages.scanning.waivers import read_waivers, waive

TODAY = date(2026, 11, 24)
FINDING = Finding(
    check="vulnerabilities",
    tool="t",
    rule="CVE-2026-1",
    severity=FindingSeverity.HIGH,
    message="hole",
    package="tea",
    version="1",
)
SECRET = Finding(
    check="secrets", tool="t", rule="aws-key", severity=FindingSeverity.HIGH, message="key", file="tests/data/a.txt"
)


def text(*entries: str) -> bytes:
    return ("waivers:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)).encode()


def judged(*entries: str, findings: tuple[Finding, ...] = (FINDING, SECRET)) -> CheckReport:
    report = CheckReport(check="vulnerabilities", tools=(), findings=findings)
    (answer,) = waive([report], read_waivers(text(*entries), file="w.yml"), today=TODAY)
    return answer


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        pytest.param("rule: CVE-2026-1, until: 2026-12-31, reason: r", (SECRET,), id="by its rule"),
        pytest.param("rule: CVE-2026-1, until: 2026-11-24, reason: r", (SECRET,), id="its last day counts"),
        pytest.param("rule: CVE-2026-1, until: 2026-11-23, reason: r", (FINDING, SECRET), id="ended"),
        pytest.param(
            "rule: CVE-2026-1, package: milk, until: 2027-01-01, reason: r", (FINDING, SECRET), id="no such one"
        ),
        pytest.param("rule: aws-key, file: 'tests/**', until: 2027-01-01, reason: r", (FINDING,), id="below a folder"),
        pytest.param("rule: aws-key, file: 'src/**', until: 2027-01-01, reason: r", (FINDING, SECRET), id="elsewhere"),
        pytest.param("rule: CVE-2026, until: 2027-01-01, reason: r", (FINDING, SECRET), id="a rule is not a prefix"),
    ],
)
def test_what_a_waiver_covers(entry: str, kept: tuple[Finding, ...]) -> None:
    assert judged(entry).findings == kept


def test_ended_and_useless_waivers_are_said() -> None:
    notes = judged(
        "rule: CVE-2026-1, until: 2026-11-01, reason: r", "rule: CVE-2020-9, until: 2027-01-01, reason: r"
    ).notes
    assert "waiver w.yml:2 (CVE-2026-1) ended on 2026-11-01: its findings count again" in notes
    assert "waiver w.yml:3 (CVE-2020-9) covers nothing" in notes


def test_the_sarif_file_keeps_what_is_waived_as_suppressed() -> None:
    report = judged("rule: CVE-2026-1, until: 2026-12-31, reason: not reachable", findings=(FINDING,))
    (result,) = json.loads(sarif_document([report], image="i"))["runs"][0]["results"]
    assert result["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "not reachable (until 2026-12-31, w.yml:2)"}
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"waivers: {", "w.yml cannot be read", id="broken YAML"),
        pytest.param(b"\xff\xfe\x00", "w.yml cannot be read", id="no text"),
        pytest.param(b"- a", "w.yml: there is no list `waivers`", id="no mapping"),
        pytest.param(b"waivers: [x]", "w.yml:1: a waiver is a mapping", id="no waiver"),
        pytest.param(text("rule: a, until: soon, reason: r"), "w.yml:2: `until: soon` is no day", id="no day"),
        pytest.param(text("rule: a, until: 2027-01-01"), "w.yml:2: the waiver has no `reason`", id="no reason"),
        pytest.param(text("rule: a, untill: 2027-01-01"), "w.yml:2: 'untill' is no key", id="unknown key"),
        pytest.param(text("rule: [a], until: 2027-01-01, reason: r"), "w.yml:2: 'rule' is no key", id="no text there"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_waivers(content, file="w.yml")
    assert message in caught.value.message
