"""From reports to a conclusion: what fails, what could not run, and what was not scanned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.outcome import Outcome, errored, failed, succeeded
from stages.scanning.report import CheckReport
from stages.scanning.request import CHECKS

_WORST_FIRST = tuple(reversed(FindingSeverity))


def verdict(reports: Sequence[CheckReport], threshold: FindingSeverity | None) -> Outcome:
    """A check that could not run makes the stage errored, whatever the others found; then the threshold decides."""
    findings = [finding for report in reports for finding in report.findings]
    over = [item for item in findings if threshold is not None and item.severity.rank >= threshold.rank]
    limit = threshold.value if threshold else "never"
    counts = f"{spell(over)}, fail_on {limit}" if over else spell(findings)
    broken = [report for report in reports if report.failure]
    if broken:
        reason = "; ".join(f"{report.check} could not run: {report.failure}" for report in broken)
        return errored(
            f"{reason}; {counts}{_gaps(reports)}" if findings else f"{reason}{_gaps(reports, leave_out=broken)}",
            hint=_hint(broken),
            transient=all(report.transient for report in broken),
        )
    if over:
        return failed(
            f"{counts}{_gaps(reports)}",
            hint="the log and the artifact 'findings' list them; mend them, or raise `fail_on`",
        )
    return succeeded(f"{counts}{_gaps(reports)}")


def spell(findings: Sequence[Finding]) -> str:
    """`1 critical, 2 high findings (2 vulnerabilities, 1 secrets)`."""
    if not findings:
        return "no findings"
    severities = Counter(item.severity for item in findings)
    checks = Counter(item.check for item in findings)
    words = ", ".join(f"{severities[item]} {item.value}" for item in _WORST_FIRST if severities[item])
    places = ", ".join(f"{checks[item]} {item}" for item in CHECKS if checks[item])
    return f"{words} finding{'' if len(findings) == 1 else 's'} ({places})"


def _gaps(reports: Sequence[CheckReport], *, leave_out: Sequence[CheckReport] = ()) -> str:
    gaps = [str(gap) for report in reports if report not in leave_out for gap in report.gaps]
    return f"; not scanned: {', '.join(gaps)}" if gaps else ""


def _hint(broken: Sequence[CheckReport]) -> str:
    if all(report.transient for report in broken):
        return "try again when the network is back, or leave the check out of `checks`"
    return f"see the stage's log; a check that cannot work here can be left out of `checks`: {broken[0].check}"
