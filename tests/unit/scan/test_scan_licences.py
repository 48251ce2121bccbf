"""Licences of packages as syft's CycloneDX document says them."""

from __future__ import annotations

import pytest

from pipeline.model.finding import FindingSeverity
from stages.scanning.licences import LicenceRule, licences_report
from stages.scanning.report import Tool

TOOL = Tool(name="syft")
LOW, HIGH = FindingSeverity.LOW, FindingSeverity.HIGH


def document(*licences: object, purl: str = "pkg:pypi/tea@1.0") -> dict[str, object]:
    return {"components": [{"name": "tea", "version": "1.0", "purl": purl, "licenses": list(licences)}]}


def spdx(identifier: str) -> dict[str, object]:
    return {"license": {"id": identifier}}


@pytest.mark.parametrize(
    ("licences", "rule", "severity"),
    [
        pytest.param([spdx("MIT")], LicenceRule(), None, id="nothing against it"),
        pytest.param([spdx("AGPL-3.0-only")], LicenceRule(), HIGH, id="denied without a rule"),
        pytest.param([spdx("agpl-3.0-or-later")], LicenceRule(), HIGH, id="case does not matter"),
        pytest.param([spdx("GPL-3.0-only")], LicenceRule(), None, id="GPL is fine without a rule"),
        pytest.param([spdx("GPL-3.0-only")], LicenceRule(deny=("GPL-*",)), HIGH, id="denied by the file"),
        pytest.param([spdx("MIT")], LicenceRule(allow=("Apache-2.0",)), HIGH, id="not among those allowed"),
        pytest.param([spdx("Apache-2.0")], LicenceRule(allow=("Apache-*", "MIT")), None, id="allowed"),
        pytest.param([{"expression": "MIT OR AGPL-3.0-only"}], LicenceRule(), None, id="one of two is enough"),
        pytest.param([{"expression": "MIT AND AGPL-3.0-only"}], LicenceRule(), HIGH, id="both are needed"),
        pytest.param([spdx("MIT"), spdx("AGPL-3.0-only")], LicenceRule(), HIGH, id="several count together"),
        pytest.param(
            [{"expression": "MIT OR BUSL-1.1"}, spdx("SSPL-1.0")], LicenceRule(), HIGH, id="a choice and more"
        ),
        pytest.param(
            [{"expression": "GPL-2.0-only WITH Classpath-exception-2.0"}],
            LicenceRule(allow=("GPL-2.0-only",)),
            None,
            id="with an exception",
        ),
        pytest.param([{"license": {"name": "My Own License, 2"}}], LicenceRule(), LOW, id="no SPDX identifier"),
        pytest.param([], LicenceRule(), LOW, id="none known"),
    ],
)
def test_what_a_package_may_be_under(
    licences: list[object], rule: LicenceRule, severity: FindingSeverity | None
) -> None:
    findings = licences_report(document(*licences), rule, TOOL).findings
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("distribution", "count"), [pytest.param(False, 0, id="left out"), pytest.param(True, 1, id="asked for")]
)
def test_packages_of_the_distribution(*, distribution: bool, count: int) -> None:
    rule = LicenceRule(deny=("GPL-*",), distribution=distribution)
    report = licences_report(document(spdx("GPL-3.0-only"), purl="pkg:deb/debian/bash@5"), rule, TOOL)
    assert len(report.findings) == count
    assert any("left out" in note for note in report.notes) is not distribution
