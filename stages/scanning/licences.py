"""The licences of an image's packages, from syft's document, judged by what the stage allows and denies."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.model.finding import Finding, FindingSeverity
from stages.scanning.report import CheckReport, Tool, counted, printable
from stages.scanning.request import LICENCES

DENIED = ("AGPL-*", "SSPL-*", "BUSL-*", "CC-BY-NC-*")
"""Without a rule of the file: licences that ask for more than most users of an image can give."""

DISTRIBUTION = ("pkg:deb/", "pkg:apk/", "pkg:rpm/")
"""Packages of the distribution: their licences came with the choice of the base image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenceRule:
    """Globs of SPDX identifiers. With `allow`, everything else is denied; `distribution`: also its packages."""

    deny: tuple[str, ...] = DENIED
    allow: tuple[str, ...] = ()
    distribution: bool = False

    def takes(self, identifier: str) -> bool:
        """Whether one licence is accepted; SPDX identifiers know no case."""
        if _matches(identifier, self.deny):
            return False
        return not self.allow or _matches(identifier, self.allow)


def licences_report(document: Mapping[str, Any], rule: LicenceRule, tool: Tool) -> CheckReport:
    """A finding for each package whose licence is not accepted (high) or not known (low).

    Of `A OR B` one accepted licence is enough, of `A AND B` both are needed (SPDX 2.3, annex D).
    """
    findings: list[Finding] = []
    seen = left = 0
    for component in document.get("components") or ():
        purl = str(component.get("purl") or "") if isinstance(component, dict) else ""
        if not purl.startswith("pkg:"):
            continue
        if purl.startswith(DISTRIBUTION) and not rule.distribution:
            left += 1
            continue
        seen += 1
        expression = " AND ".join(_written(component))
        severity, words = _judged(expression, rule)
        if severity is not None:
            name, version = printable(component.get("name") or purl), printable(component.get("version") or "")
            findings.append(
                Finding(
                    check=LICENCES,
                    tool=tool.name,
                    rule=printable(expression or "no licence", limit=120),
                    severity=severity,
                    message=f"{name} {version}: {words}",
                    package=name,
                    version=version,
                )
            )
    notes = [f"licences: {counted(seen, 'package')} looked at"]
    if left:
        notes.append(f"licences: {counted(left, 'package')} of the distribution left out")
    return CheckReport(check=LICENCES, tools=(tool,), findings=tuple(dict.fromkeys(findings)), notes=tuple(notes))


def _judged(expression: str, rule: LicenceRule) -> tuple[FindingSeverity | None, str]:
    if not expression:
        return FindingSeverity.LOW, "its licence is not known"
    from license_expression import ExpressionError, get_spdx_licensing

    try:
        parsed = get_spdx_licensing().parse(expression)
    except (ExpressionError, ValueError):
        accepted = rule.takes(expression)
        return (None, "") if accepted and rule.allow else (_or_low(accepted), f"licence '{printable(expression)}'")
    if _accepted(parsed, rule):
        return None, ""
    return FindingSeverity.HIGH, f"licence {printable(parsed)} is not accepted"


def _or_low(accepted: bool) -> FindingSeverity:
    """A licence that is no SPDX identifier: denied by name, or at least nothing that we know."""
    return FindingSeverity.LOW if accepted else FindingSeverity.HIGH


def _accepted(node: Any, rule: LicenceRule) -> bool:
    arguments: Sequence[Any] = getattr(node, "args", ())
    match type(node).__name__:
        case "AND":
            return all(_accepted(item, rule) for item in arguments)
        case "OR":
            return any(_accepted(item, rule) for item in arguments)
        case "LicenseWithExceptionSymbol":
            return rule.takes(str(node.license_symbol.key)) or rule.takes(str(node))
        case _:
            return rule.takes(str(node))


def _written(component: Mapping[str, Any]) -> Iterator[str]:
    """What the document says: identifiers, names, expressions (CycloneDX 1.6, `licenses`)."""
    for item in component.get("licenses") or ():
        licence = item.get("license") or {}
        text = str(item.get("expression") or licence.get("id") or licence.get("name") or "").strip()
        if text:
            yield f"({text})" if " OR " in text else text


def _matches(identifier: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(identifier.lower(), pattern.lower()) for pattern in patterns)
