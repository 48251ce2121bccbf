"""What gitleaks and hadolint said, from their SARIF files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.errors import EcluseError
from pipeline.model.finding import Finding, FindingSeverity
from stages.scanning.report import CheckReport, Gap, Tool, counted, printable
from stages.scanning.request import DOCKERFILE, SECRETS

SECRET_SEVERITY = FindingSeverity.HIGH
"""gitleaks has no severities; a secret in the source is for the one who reads it to use."""

UNREADABLE = "DL1000"
"""hadolint's rule for a Dockerfile that it cannot parse: then it has looked at nothing."""

_LEVELS = {
    "error": FindingSeverity.HIGH,
    "warning": FindingSeverity.MEDIUM,
    "note": FindingSeverity.LOW,
    "none": FindingSeverity.LOW,
}


def secrets_report(sarif: bytes, status: Mapping[str, Any], tool: Tool) -> CheckReport:
    """Secrets of the source. Of a secret only its rule and place are kept, never a part of it."""
    run = _run(sarif, tool.name)
    findings: list[Finding] = []
    silenced: list[Finding] = []
    for result in run.get("results") or ():
        file, line = _place(result)
        finding = Finding(
            check=SECRETS,
            tool=tool.name,
            rule=printable(result.get("ruleId") or "unknown", limit=80),
            severity=SECRET_SEVERITY,
            message=f"{printable(result.get('ruleId'), limit=80)} in {file}:{line}",
            file=file,
            line=line,
        )
        (silenced if result.get("suppressions") else findings).append(finding)
    notes = []
    if silenced:
        notes.append(f"secrets: {counted(len(silenced), 'finding')} accepted by `gitleaks:allow` in the source")
    return CheckReport(
        check=SECRETS,
        tools=(tool,),
        findings=tuple(findings),
        silenced=tuple(silenced),
        gaps=tuple(Gap(subject="files", why=printable(item, limit=160)) for item in status.get("skipped") or ()),
        notes=tuple(notes),
        rules=_rules(run, {item.rule for item in (*findings, *silenced)}),
    )


def dockerfile_report(sarif: bytes, status: Mapping[str, Any], tool: Tool, *, path: str) -> CheckReport:
    """The Dockerfile's lint; one that hadolint cannot read is a check that did not run."""
    findings = []
    for result in _run(sarif, tool.name).get("results") or ():
        _, line = _place(result)
        rule = printable(result.get("ruleId") or "unknown", limit=40)
        text = printable((result.get("message") or {}).get("text") or rule)
        if rule == UNREADABLE:
            return CheckReport(
                check=DOCKERFILE, tools=(tool,), failure=f"{path}:{line}: hadolint cannot read it: {text}"
            )
        findings.append(
            Finding(
                check=DOCKERFILE,
                tool=tool.name,
                rule=rule,
                severity=_LEVELS.get(str(result.get("level")), FindingSeverity.MEDIUM),
                message=text,
                file=path,
                line=line,
                url=_rule_page(rule),
            )
        )
    silenced = status.get("pragmas") or 0
    notes = (f"dockerfile: {counted(int(silenced), 'ignore comment')} of {path} obeyed",) if silenced else ()
    return CheckReport(check=DOCKERFILE, tools=(tool,), findings=tuple(findings), notes=notes)


def _run(sarif: bytes, tool: str) -> Mapping[str, Any]:
    try:
        run = json.loads(sarif)["runs"][0]
    except (ValueError, LookupError, TypeError) as error:
        raise EcluseError(f"the answer of {tool} is no SARIF: {error}", hint="run the stage again") from error
    if not isinstance(run, dict):
        raise EcluseError(f"the answer of {tool} is no SARIF", hint="run the stage again")
    return run


def _place(result: Mapping[str, Any]) -> tuple[str, int]:
    for location in result.get("locations") or ():
        physical = location.get("physicalLocation") or {}
        uri = str((physical.get("artifactLocation") or {}).get("uri") or "")
        return printable(uri.removeprefix("./")), int((physical.get("region") or {}).get("startLine") or 0)
    return "", 0


def _rules(run: Mapping[str, Any], used: Iterable[str]) -> Mapping[str, str]:
    known = ((run.get("tool") or {}).get("driver") or {}).get("rules") or ()
    words = {str(item.get("id")): str((item.get("shortDescription") or {}).get("text") or "") for item in known}
    return {rule: printable(words.get(rule, "")) for rule in sorted(used)}


def _rule_page(rule: str) -> str:
    if rule.startswith("DL"):
        return f"https://github.com/hadolint/hadolint/wiki/{rule}"
    return f"https://www.shellcheck.net/wiki/{rule}" if rule.startswith("SC") else ""
