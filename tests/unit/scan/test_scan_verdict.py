"""The reason counts what was found, says what fails, and never leaves out what was not scanned."""

from __future__ import annotations

import pytest

from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.outcome import Outcome
from pipeline.model.status import Conclusion
from stages.scanning.report import CheckReport, Gap
from stages.scanning.verdict import verdict

HIGH = FindingSeverity.HIGH


def found(
    check: str, *severities: str, gaps: tuple[Gap, ...] = (), failure: str = "", transient: bool = False
) -> CheckReport:
    findings = tuple(
        Finding(check=check, tool="t", rule=f"r{index}", severity=FindingSeverity(severity), message="m")
        for index, severity in enumerate(severities)
    )
    return CheckReport(check=check, tools=(), findings=findings, gaps=gaps, failure=failure, transient=transient)


NPM = Gap(subject="3 npm packages", why="no data")


@pytest.mark.parametrize(
    ("reports", "threshold", "conclusion", "reason"),
    [
        pytest.param([found("secrets")], HIGH, Conclusion.SUCCEEDED, "no findings", id="clean"),
        pytest.param(
            [found("vulnerabilities", "high"), found("secrets", "high")],
            HIGH,
            Conclusion.FAILED,
            "2 high findings (1 vulnerabilities, 1 secrets), fail_on high",
            id="at the threshold",
        ),
        pytest.param(
            [found("vulnerabilities", "critical", "high", "medium")],
            HIGH,
            Conclusion.FAILED,
            "1 critical, 1 high findings (2 vulnerabilities), fail_on high",
            id="only what is over it is counted",
        ),
        pytest.param(
            [found("dockerfile", "medium", "low", "low")],
            HIGH,
            Conclusion.SUCCEEDED,
            "1 medium, 2 low findings (3 dockerfile)",
            id="under the threshold",
        ),
        pytest.param(
            [found("dockerfile", "low")],
            FindingSeverity.LOW,
            Conclusion.FAILED,
            "1 low finding (1 dockerfile), fail_on low",
            id="the lowest threshold",
        ),
        pytest.param(
            [found("secrets", "critical")], None, Conclusion.SUCCEEDED, "1 critical finding (1 secrets)", id="never"
        ),
        pytest.param(
            [found("vulnerabilities", gaps=(NPM,))],
            HIGH,
            Conclusion.SUCCEEDED,
            "no findings; not scanned: 3 npm packages (no data)",
            id="a gap is said",
        ),
        pytest.param(
            [found("vulnerabilities", "high", gaps=(NPM,))],
            HIGH,
            Conclusion.FAILED,
            "1 high finding (1 vulnerabilities), fail_on high; not scanned: 3 npm packages (no data)",
            id="a gap beside findings",
        ),
        pytest.param(
            [found("vulnerabilities", failure="syft broke"), found("secrets")],
            HIGH,
            Conclusion.ERRORED,
            "vulnerabilities could not run: syft broke",
            id="a check that could not run",
        ),
        pytest.param(
            [found("vulnerabilities", failure="syft broke"), found("secrets", "high")],
            HIGH,
            Conclusion.ERRORED,
            "vulnerabilities could not run: syft broke; 1 high finding (1 secrets), fail_on high",
            id="errored is never softened by what another check found",
        ),
        pytest.param(
            [found("vulnerabilities", failure="syft broke")], None, Conclusion.ERRORED,
            "vulnerabilities could not run: syft broke", id="not even by never",
        ),
    ],
)  # fmt: skip
def test_verdict(
    reports: list[CheckReport], threshold: FindingSeverity | None, conclusion: Conclusion, reason: str
) -> None:
    outcome: Outcome = verdict(reports, threshold)
    assert (outcome.conclusion, outcome.reason) == (conclusion, reason)


@pytest.mark.parametrize(
    ("transient", "expected"),
    [
        pytest.param((True, True), True, id="all may pass"),
        pytest.param((True, False), False, id="one will not"),
    ],
)
def test_it_is_tried_again_only_where_that_can_help(transient: tuple[bool, bool], expected: bool) -> None:
    reports = [found("secrets", failure="x", transient=item) for item in transient]
    assert verdict(reports, HIGH).transient is expected
