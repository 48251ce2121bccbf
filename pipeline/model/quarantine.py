"""Tests in quarantine: a file of the repository that says whose failure does not count, until when, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pipeline.errors import UsageError
from pipeline.model.report import WRONG, TestCase, TestReport

PLACE = "tests/quarantine.yml"
"""Where it is looked for when a stage does not name another file."""
KEYS = ("test", "until", "reason", "stage")
LIMIT = 1 << 20
"""Bytes of such a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantine:
    """One entry: a failure of `test` does not count up to and including a day. `*` in the name stands for anything;
    `stage` narrows it to a stage as written in the file, "" = every stage."""

    test: str
    until: date
    reason: str
    place: str
    """`file:line`, for messages."""
    stage: str = ""

    def covers(self, case: TestCase, stage: str) -> bool:
        """Whether it speaks of this test: by `classname::name`, or by its name alone."""
        return self.stage in ("", stage) and (_matches(self.test, case.title) or _matches(self.test, case.name))


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantined:
    """A report under quarantine: failures that do not count are marked. `ended` are entries whose day has passed and
    that would have covered a failure."""

    report: TestReport
    ended: tuple[Quarantine, ...]


def quarantined(report: TestReport, entries: Sequence[Quarantine], *, stage: str, today: date) -> Quarantined:
    """Mark the failures that an entry covers today."""
    ended: dict[Quarantine, None] = {}
    cases: list[TestCase] = []
    for case in report.cases:
        mine = [item for item in entries if case.status in WRONG and item.covers(case, stage)]
        living = next((item for item in mine if item.until >= today), None)
        if living is None:
            ended |= dict.fromkeys(mine)
            cases.append(case)
        else:
            cases.append(replace(case, quarantined=f"until {living.until}: {living.reason}"))
    return Quarantined(report=replace(report, cases=tuple(cases)), ended=tuple(ended))


def read_quarantine(text: bytes, *, file: str) -> tuple[Quarantine, ...]:
    """The entries of a file: a list of mappings under `quarantine`. UsageError names the line of the first mistake."""
    import yaml

    if len(text) > LIMIT:
        raise UsageError(f"{file} is longer than {LIMIT} bytes", hint="a quarantine is for few tests")
    try:
        root = yaml.compose(text.decode(), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}", hint="mend the YAML") from error
    listed = None
    if isinstance(root, yaml.MappingNode):
        listed = next((item for key, item in root.value if key.value == "quarantine"), None)
    if not isinstance(listed, yaml.SequenceNode):
        raise UsageError(f"{file}: there is no list `quarantine`", hint="quarantine: [{test, until, reason}]")
    entries = []
    for node in listed.value:
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(node, None)]
        texts = [
            (str(key.value), str(item.value) if isinstance(item, yaml.ScalarNode) else None) for key, item in pairs
        ]
        entries.append(_entry(texts, f"{file}:{node.start_mark.line + 1}"))
    return tuple(entries)


def _entry(pairs: Iterable[tuple[str, str | None]], place: str) -> Quarantine:
    values: dict[str, str] = {}
    for name, text in pairs:
        if name not in KEYS or text is None:
            raise UsageError(
                f"{place}: '{name}' is no key of a quarantine with a text", hint=f"keys: {', '.join(KEYS)}"
            )
        values[name] = text
    for name in ("test", "until", "reason"):
        if not values.get(name, "").strip():
            raise UsageError(f"{place}: the quarantine has no `{name}`", hint="it names test, until and reason")
    try:
        until = date.fromisoformat(values["until"])
    except ValueError as error:
        raise UsageError(f"{place}: `until: {values['until']}` is no day", hint="write 2027-01-31") from error
    return Quarantine(
        test=values["test"], until=until, reason=values["reason"], place=place, stage=values.get("stage", "")
    )


def _matches(pattern: str, name: str) -> bool:
    """Whether the name is the pattern, where `*` stands for any text; brackets of parametrised tests are letters."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1]:
        found = name.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(name) - at >= len(rest[-1]) and name.endswith(rest[-1])
