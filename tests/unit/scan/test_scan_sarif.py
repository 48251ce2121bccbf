"""The SARIF file has what SARIF 2.1.0 demands (§3.13 and following), and what code hosts read."""

from __future__ import annotations

import json
from typing import Any

from pipeline.model.finding import Finding, FindingSeverity
from stages.scanning.report import CheckReport, Gap, Tool
from stages.scanning.sarif import sarif_document

VULNERABLE = Finding(
    check="vulnerabilities",
    tool="pip-audit",
    rule="GHSA-1",
    severity=FindingSeverity.CRITICAL,
    message="jinja2 2.10: bad",
    package="jinja2",
    version="2.10",
    fixed_in="2.10.1",
    url="https://osv.dev/vulnerability/GHSA-1",
)
SECRET = Finding(
    check="secrets", tool="gitleaks", rule="aws", severity=FindingSeverity.HIGH, message="m", file="src/a b.py", line=3
)
REPORTS = (
    CheckReport(
        check="vulnerabilities",
        tools=(Tool(name="debian-security", version="1"), Tool(name="pip-audit", version="2")),
        findings=(VULNERABLE,),
        gaps=(Gap(subject="3 npm packages", why="no data"),),
        notes=("pip-audit: PyPI answered for 1 Python package",),
    ),
    CheckReport(check="secrets", tools=(Tool(name="gitleaks"),), findings=(SECRET,), silenced=(SECRET,)),
    CheckReport(check="dockerfile", tools=(), failure="no Dockerfile"),
)


def document() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(sarif_document(REPORTS, image="shop:1"))
    return parsed


def test_runs_and_tools() -> None:
    runs = document()["runs"]
    assert document()["version"] == "2.1.0"
    assert [run["tool"]["driver"]["name"] for run in runs] == ["debian-security", "gitleaks", "ecluse-dockerfile"]
    assert runs[0]["tool"]["extensions"] == [{"name": "pip-audit", "version": "2"}]


def test_results_name_their_rules() -> None:
    for run in document()["runs"]:
        rules = run["tool"]["driver"]["rules"]
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["message"]["text"]
            assert result["level"] in ("error", "warning", "note", "none")
            assert len(result["locations"]) == 1


def test_places() -> None:
    vulnerable, secret = document()["runs"][0]["results"][0], document()["runs"][1]["results"][0]
    (logical,) = vulnerable["locations"][0]["logicalLocations"]
    assert logical["fullyQualifiedName"] == "shop:1/jinja2@2.10"
    assert secret["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "src/a%20b.py"},
        "region": {"startLine": 3},
    }


def test_severity_for_code_hosts() -> None:
    (rule,) = document()["runs"][0]["tool"]["driver"]["rules"]
    assert rule["properties"]["security-severity"] == "9.5"


def test_what_was_not_scanned_is_a_notification() -> None:
    (invocation,) = document()["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is True
    assert [(item["level"], item["message"]["text"]) for item in invocation["toolExecutionNotifications"]] == [
        ("warning", "not scanned: 3 npm packages (no data)"),
        ("note", "pip-audit: PyPI answered for 1 Python package"),
    ]


def test_a_check_that_could_not_run_says_so() -> None:
    (invocation,) = document()["runs"][2]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "could not run: no Dockerfile"


def test_silenced_findings_are_suppressed() -> None:
    results = document()["runs"][1]["results"]
    assert [item.get("suppressions") for item in results] == [None, [{"kind": "inSource"}]]


def test_fingerprints_are_those_of_the_model() -> None:
    result = document()["runs"][0]["results"][0]
    assert result["partialFingerprints"] == {"ecluse/v1": VULNERABLE.fingerprint}
