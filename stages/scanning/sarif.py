"""Findings as one SARIF 2.1.0 file: a run for each check, with what was not scanned as tool notifications."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.model.finding import Finding, FindingSeverity
from stages.scanning.report import CheckReport, Tool, Waived

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS = {
    FindingSeverity.UNKNOWN: "warning",
    FindingSeverity.LOW: "note",
    FindingSeverity.MEDIUM: "warning",
    FindingSeverity.HIGH: "error",
    FindingSeverity.CRITICAL: "error",
}
_SCORES = {
    FindingSeverity.UNKNOWN: "0.0",
    FindingSeverity.LOW: "2.0",
    FindingSeverity.MEDIUM: "5.5",
    FindingSeverity.HIGH: "8.0",
    FindingSeverity.CRITICAL: "9.5",
}
"""Within the bands in which code hosts read `security-severity`."""


def sarif_document(reports: Sequence[CheckReport], *, image: str) -> bytes:
    """The file's bytes; the same reports give the same bytes."""
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report, image) for report in reports]}
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _run(report: CheckReport, image: str) -> Mapping[str, Any]:
    tools = report.tools or (Tool(name=f"ecluse-{report.check}"),)
    everything = (*report.findings, *report.silenced, *(item.finding for item in report.waived))
    rules = sorted({finding.rule for finding in everything})
    tool: dict[str, Any] = {"driver": {**_component(tools[0]), "rules": _rules(rules, everything, report.rules)}}
    if len(tools) > 1:
        tool["extensions"] = [_component(item) for item in tools[1:]]
    return {
        "tool": tool,
        "automationDetails": {"id": f"ecluse/{report.check}/"},
        "invocations": [
            {"executionSuccessful": not report.failure, "toolExecutionNotifications": list(_notifications(report))}
        ],
        "results": [
            *(_result(finding, rules, image) for finding in report.findings),
            *({**_result(item, rules, image), "suppressions": [{"kind": "inSource"}]} for item in report.silenced),
            *(_waived(item, rules, image) for item in report.waived),
        ],
    }


def _component(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        **({"version": tool.version} if tool.version else {}),
        **({"informationUri": tool.url} if tool.url else {}),
    }


def _rules(rules: Iterable[str], findings: Sequence[Finding], words: Mapping[str, str]) -> list[Mapping[str, Any]]:
    entries: list[Mapping[str, Any]] = []
    for rule in rules:
        worst = max((item for item in findings if item.rule == rule), key=lambda item: item.severity.rank)
        entry: dict[str, Any] = {"id": rule, "properties": {"security-severity": _SCORES[worst.severity]}}
        entry["shortDescription"] = {"text": words.get(rule) or worst.message}
        if worst.url:
            entry["helpUri"] = worst.url
        entries.append(entry)
    return entries


def _result(finding: Finding, rules: Sequence[str], image: str) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [_location(finding, image)],
        "partialFingerprints": {"ecluse/v1": finding.fingerprint},
        "properties": {
            key: value
            for key, value in (
                ("check", finding.check),
                ("tool", finding.tool),
                ("severity", finding.severity.value),
                ("package", finding.package),
                ("version", finding.version),
                ("fixedIn", finding.fixed_in),
            )
            if value
        },
    }


def _waived(item: Waived, rules: Sequence[str], image: str) -> Mapping[str, Any]:
    return {
        **_result(item.finding, rules, image),
        "suppressions": [{"kind": "external", "status": "accepted", "justification": item.reason}],
    }


def _location(finding: Finding, image: str) -> Mapping[str, Any]:
    if not finding.file:
        name = f"{finding.package}@{finding.version}"
        return {"logicalLocations": [{"name": name, "fullyQualifiedName": f"{image}/{name}", "kind": "package"}]}
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
    if finding.line > 0:
        physical["region"] = {"startLine": finding.line}
    return {"physicalLocation": physical}


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


def _notifications(report: CheckReport) -> Iterable[Mapping[str, Any]]:
    if report.failure:
        yield {"level": "error", "message": {"text": f"could not run: {report.failure}"}}
    for gap in report.gaps:
        yield {"level": "warning", "message": {"text": f"not scanned: {gap}"}}
    for note in report.notes:
        yield {"level": "note", "message": {"text": note}}
