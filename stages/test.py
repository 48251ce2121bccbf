"""`test`: like `run`, but its reports are required, and failed tests fail it whatever the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.outcome import Outcome, failed, succeeded
from pipeline.model.report import TestReport
from pipeline.model.status import Conclusion
from pipeline.model.value import Value
from pipeline.ports.stage import Collected, Reuse, StageContext, StageResult
from stages.exits import exit_outcome
from stages.run import products_of


class Test:
    """Runs the commands and believes the reports."""

    __test__ = False

    name = "test"
    version = 1
    reuse = Reuse.ALWAYS
    effects = False

    def schema(self) -> Mapping[str, Value]:
        """Demands `reports`."""
        return schemas.load("stages/test")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """The schema says all."""
        return ()

    def run(self, context: StageContext) -> StageResult:
        """Run, collect, judge."""
        ended = context.execute_commands()
        collected = context.collect()
        outcome = judge(exit_outcome(ended, context), collected)
        return StageResult(outcome=outcome, products=products_of(collected))


def judge(ended: Outcome, collected: Collected) -> Outcome:
    """Failed tests come first, then the exit code, then reports that are missing or broken."""
    report = collected.tests
    if ended.conclusion not in (Conclusion.SUCCEEDED, Conclusion.FAILED):
        return ended
    if report is not None and report.failed:
        count = report.failed
        return failed(f"{count} test{'s' if count > 1 else ''} failed", hint=_first(report))
    if ended.conclusion is Conclusion.FAILED:
        return ended
    if collected.broken:
        return failed(f"report cannot be read: {collected.broken[0]}")
    if collected.missing:
        return failed(
            f"no report matches {', '.join(collected.missing)}",
            hint="a test stage needs its reports: let the test runner write them where `reports` looks",
        )
    if report is not None and not report.total:
        return failed("the reports hold no test", hint="does the test runner find your tests?")
    return replace(succeeded(), reason=report.summary) if report is not None else ended


def _first(report: TestReport) -> str:
    case = report.failures[0] if report.failures else None
    if case is None:
        return ""
    place = "::".join(part for part in (case.classname, case.name) if part)
    return f"first: {place}: {case.message.splitlines()[0]}" if case.message else f"first: {place}"


KIND = Test()
