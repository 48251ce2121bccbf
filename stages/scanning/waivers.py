"""Findings that a team has accepted for a time: a file of the repository, reviewed like code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import yaml

from pipeline.errors import UsageError
from pipeline.model.finding import Finding
from pipeline.model.globs import matcher
from stages.scanning.report import CheckReport, Waived, counted

KEYS = ("rule", "package", "file", "until", "reason")
LIMIT = 1 << 20
"""Bytes of a file of waivers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """Accepts findings of a rule, up to and including a day; `package` and `file` (a glob) narrow it, "" = any."""

    rule: str
    until: date
    reason: str
    place: str
    """`file:line`, for messages."""
    package: str = ""
    file: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding."""
        return (
            finding.rule == self.rule
            and self.package in ("", finding.package)
            and (not self.file or matcher((self.file,))(finding.file))
        )


def read_waivers(text: bytes, *, file: str) -> tuple[Waiver, ...]:
    """The waivers of a file: a list of mappings under `waivers`. UsageError names the line of the first mistake."""
    try:
        root = yaml.compose(text.decode(), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}", hint="mend the YAML") from error
    listed = _value(root, "waivers") if isinstance(root, yaml.MappingNode) else None
    if not isinstance(listed, yaml.SequenceNode):
        raise UsageError(f"{file}: there is no list `waivers`", hint="waivers: [{rule, until, reason}]")
    return tuple(_waiver(node, file) for node in listed.value)


def waive(reports: Sequence[CheckReport], waivers: Sequence[Waiver], *, today: date) -> tuple[CheckReport, ...]:
    """The reports without the findings that a waiver covers today; expired and useless waivers are said."""
    living = [waiver for waiver in waivers if waiver.until >= today]
    used: set[Waiver] = set()
    judged: list[CheckReport] = []
    for report in reports:
        kept: list[Finding] = []
        waived: list[Waived] = []
        for finding in report.findings:
            waiver = next((item for item in living if item.covers(finding)), None)
            if waiver is None:
                kept.append(finding)
            else:
                used.add(waiver)
                reason = f"{waiver.reason} (until {waiver.until}, {waiver.place})"
                waived.append(Waived(finding=finding, reason=reason))
        notes = [f"{report.check}: {counted(len(waived), 'finding')} waived"] if waived else []
        notes += _expired(report.findings, waivers, today)
        judged.append(replace(report, findings=tuple(kept), waived=tuple(waived), notes=(*report.notes, *notes)))
    idle = [f"waiver {item.place} ({item.rule}) covers nothing" for item in living if item not in used]
    if idle and judged:
        judged[-1] = replace(judged[-1], notes=(*judged[-1].notes, *idle))
    return tuple(judged)


def _expired(findings: Iterable[Finding], waivers: Sequence[Waiver], today: date) -> list[str]:
    ended = [waiver for waiver in waivers if waiver.until < today]
    hit = [waiver for waiver in ended if any(waiver.covers(finding) for finding in findings)]
    return [
        f"waiver {waiver.place} ({waiver.rule}) ended on {waiver.until}: its findings count again" for waiver in hit
    ]


def _waiver(node: yaml.Node, file: str) -> Waiver:
    place = f"{file}:{node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{place}: a waiver is a mapping", hint="{rule: CVE-…, until: 2027-01-31, reason: why}")
    values = {str(key.value): str(item.value) for key, item in node.value if isinstance(item, yaml.ScalarNode)}
    for name in [str(key.value) for key, _ in node.value]:
        if name not in KEYS or name not in values:
            raise UsageError(f"{place}: '{name}' is no key of a waiver with a text", hint=f"keys: {', '.join(KEYS)}")
    for name in ("rule", "until", "reason"):
        if not values.get(name):
            raise UsageError(f"{place}: the waiver has no `{name}`", hint="a waiver names rule, until and reason")
    try:
        until = date.fromisoformat(values["until"])
    except ValueError as error:
        raise UsageError(f"{place}: `until: {values['until']}` is no day", hint="write 2027-01-31") from error
    return Waiver(
        rule=values["rule"],
        until=until,
        reason=values["reason"],
        place=place,
        package=values.get("package", ""),
        file=values.get("file", ""),
    )


def _value(node: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((item for key, item in node.value if key.value == name), None)
