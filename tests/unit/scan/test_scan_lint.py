"""What gitleaks and hadolint say becomes findings; a secret never does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.errors import EcluseError
from stages.scanning.lint import dockerfile_report, secrets_report
from stages.scanning.report import Tool

TOOL = Tool(name="tool", version="1")


def result(rule: str, uri: str, line: int, **more: Any) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": uri},
        "region": {"startLine": line, "snippet": {"text": "AKIAQ3EGRZJ5XH2K7LPN"}},
    }
    return {
        "ruleId": rule,
        "message": {"text": f"{rule} has found AKIAQ3EGRZJ5XH2K7LPN"},
        "locations": [{"physicalLocation": place}],
        **more,
    }


def sarif(*results: dict[str, Any]) -> bytes:
    rules = [{"id": "aws-access-token", "shortDescription": {"text": "An AWS key."}}]
    return json.dumps({"runs": [{"tool": {"driver": {"rules": rules}}, "results": list(results)}]}).encode()


def test_secrets() -> None:
    report = secrets_report(sarif(result("aws-access-token", "src/a b.py", 3)), {"ok": True}, TOOL)
    (finding,) = report.findings
    assert (finding.file, finding.line, finding.rule, finding.severity.value) == (
        "src/a b.py", 3, "aws-access-token", "high",
    )  # fmt: skip
    assert report.rules == {"aws-access-token": "An AWS key."}
    assert "AKIA" not in repr(report)


def test_an_allowed_secret_is_listed_apart() -> None:
    report = secrets_report(
        sarif(result("x", "a.py", 1), result("x", "b.py", 2, suppressions=[{"kind": "inSource"}])), {"ok": True}, TOOL
    )
    assert ([item.file for item in report.findings], [item.file for item in report.silenced]) == (["a.py"], ["b.py"])
    assert report.notes == ("secrets: 1 finding accepted by `gitleaks:allow` in the source",)


def test_skipped_files_are_gaps() -> None:
    report = secrets_report(sarif(), {"ok": True, "skipped": ["WRN could not open a.py"]}, TOOL)
    assert [str(gap) for gap in report.gaps] == ["files (WRN could not open a.py)"]


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        pytest.param("error", "high", id="error"),
        pytest.param("warning", "medium", id="warning"),
        pytest.param("note", "low", id="note"),
        pytest.param("strange", "medium", id="a level of a later version"),
    ],
)
def test_dockerfile_levels(level: str, severity: str) -> None:
    report = dockerfile_report(
        sarif(result("DL3006", "/workspace/Dockerfile", 1, level=level)), {}, TOOL, path="app/Dockerfile"
    )
    (finding,) = report.findings
    assert (finding.severity.value, finding.file, finding.line) == (severity, "app/Dockerfile", 1)


def test_a_dockerfile_that_cannot_be_read_was_not_checked() -> None:
    report = dockerfile_report(sarif(result("DL1000", "x", 2, level="error")), {}, TOOL, path="Dockerfile")
    assert report.findings == ()
    assert report.failure.startswith("Dockerfile:2: hadolint cannot read it")


def test_obeyed_comments_are_counted() -> None:
    assert dockerfile_report(sarif(), {"pragmas": 2}, TOOL, path="Dockerfile").notes == (
        "dockerfile: 2 ignore comments of Dockerfile obeyed",
    )


@pytest.mark.parametrize("content", [b"", b"{}", b'{"runs": []}', b'{"runs": [1]}', b"[]"])
def test_an_answer_that_is_no_sarif_is_an_error(content: bytes) -> None:
    with pytest.raises(EcluseError, match="is no SARIF"):
        secrets_report(content, {}, TOOL)
