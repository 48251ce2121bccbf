"""What went wrong in a run as workflow commands, which GitHub, Gitea and Forgejo show beside the lines of a change.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.cli.render.clean import bare, one_line
from pipeline.cli.render.words import spoken
from pipeline.model.container import WORKSPACE
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.report import TestCase
from pipeline.model.run import Run, StageRun
from pipeline.model.status import Conclusion

LIMIT = 10
"""Annotations of one level that GitHub keeps of a step: what is more would be dropped without a word."""
_LENGTH = 4_000
_PLACE = re.compile(r"^(?:\s*File \"|)([^\s\":][^\":\n]*?)(?:\", line |:)(\d+)\b", re.MULTILINE)
"""`tests/test_x.py:12: AssertionError` of pytest and compilers, `File "x.py", line 12` of a traceback."""

Known = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """One remark; `level` is error, warning or notice, `file` is relative to the repository, or ""."""

    level: str
    title: str
    text: str
    file: str = ""
    line: int = 0

    def command(self, folder: str = "") -> str:
        """The workflow command; `folder` is where the repository stands in the job's workspace, "" for its root."""
        values = {"file": self.file and folder + self.file, "line": str(self.line or ""), "title": self.title}
        properties = ",".join(f"{name}={_property(text)}" for name, text in values.items() if text)
        return f"::{self.level} {properties}::{_data(self.text[:_LENGTH])}"


def remarks(run: Run, *, known: Known) -> list[Annotation]:
    """What went wrong, worst first, at most LIMIT of each level; the last of a level counts those left out.

    `known` tells whether a path is a file of the repository: only such a place is named.
    """
    everything = [item for stage in run.stages for item in _of_stage(stage, known)]
    kept: list[Annotation] = []
    for level in ("error", "warning", "notice"):
        those = [item for item in everything if item.level == level]
        if len(those) > LIMIT:
            rest = f"… and {len(those) - LIMIT + 1} more in the summary, the reports and the log"
            those = [*those[: LIMIT - 1], Annotation(level=level, title=f"run {run.number or run.id}", text=rest)]
        kept += those
    return kept


def _of_stage(stage: StageRun, known: Known) -> Iterator[Annotation]:
    outcome = stage.outcome
    if outcome is None:
        return
    wrong = outcome.conclusion.went_wrong
    tests = stage.products.tests
    failures = tests.failures if tests else ()
    if (wrong and not failures) or outcome.conclusion is Conclusion.WARNED:
        title = f"{stage.name} {spoken(outcome.conclusion.value)}"
        text = "\n".join(part for part in (outcome.reason, outcome.hint) if part)
        yield Annotation(level="error" if wrong else "warning", title=one_line(title), text=bare(text))
    for case in failures:
        yield _of_test(stage, case, known, level="error" if wrong and not case.quarantined else "warning")
    for finding in sorted(stage.products.findings, key=lambda finding: -finding.severity.rank):
        yield _of_finding(stage, finding, known, wrong=wrong)


def _of_test(stage: StageRun, case: TestCase, known: Known, *, level: str) -> Annotation:
    file, number = place_of(case, known)
    name = f"{case.classname}.{case.name}" if case.classname else case.name
    text = case.message or case.details or case.status.value
    return Annotation(
        level=level, title=one_line(f"{stage.name}: {name}"), text=bare(text).strip(), file=file, line=number
    )


def place_of(case: TestCase, known: Known) -> tuple[str, int]:
    """File and line of a failed test: what the report says, else the last place of the repository in its details."""
    candidates = [(case.file, case.line)] if case.file else []
    candidates += [(found[1], int(found[2])) for found in reversed(list(_PLACE.finditer(case.details[:20_000])))]
    for file, number in candidates:
        path = file.removeprefix(f"{WORKSPACE}/").removeprefix("./")
        if known(path):
            return path, number
    return "", 0


def _of_finding(stage: StageRun, finding: Finding, known: Known, *, wrong: bool) -> Annotation:
    high = finding.severity.rank >= FindingSeverity.HIGH.rank
    level = "error" if high and wrong else "notice" if finding.severity.rank <= FindingSeverity.LOW.rank else "warning"
    what = f"{finding.package} {finding.version}: " if finding.package else ""
    fixed = f" (fixed in {finding.fixed_in})" if finding.fixed_in else ""
    there = known(finding.file.removeprefix("./"))
    return Annotation(
        level=level,
        title=one_line(f"{stage.name}: {finding.severity.value} {finding.rule}"),
        text=bare(f"{what}{finding.message}{fixed}"),
        file=finding.file.removeprefix("./") if there else "",
        line=finding.line if there else 0,
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
