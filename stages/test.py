"""`test`: like `run`, but its reports are required, and failed tests fail it whatever the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.errors import UsageError
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.outcome import Outcome, failed, succeeded
from pipeline.model.quarantine import LIMIT, PLACE, Quarantine, Quarantined, quarantined, read_quarantine
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
        spared = _spared(context, collected)
        if spared is not None:
            collected = replace(collected, tests=spared.report)
        outcome = judge(exit_outcome(ended, context), collected)
        if spared is not None and spared.ended:
            outcome = replace(outcome, hint="\n".join(filter(None, (outcome.hint, *map(_over, spared.ended)))))
        return StageResult(outcome=outcome, products=products_of(collected))


def judge(ended: Outcome, collected: Collected) -> Outcome:
    """Failed tests come first, then the exit code, then reports that are missing or broken.

    Where only tests in quarantine failed, the stage is `warned`: their failure explains the exit code of the runner.
    """
    report = collected.tests
    if ended.conclusion not in (Conclusion.SUCCEEDED, Conclusion.FAILED):
        return ended
    if report is not None and report.failed:
        count = report.failed
        return failed(f"{count} test{'s' if count > 1 else ''} failed", hint=_first(report))
    spared = report.quarantined if report is not None else 0
    if ended.conclusion is Conclusion.FAILED and not spared:
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
    if report is not None and spared:
        return Outcome(conclusion=Conclusion.WARNED, reason=report.summary, hint=_held(report))
    return replace(succeeded(), reason=report.summary) if report is not None else ended


def _spared(context: StageContext, collected: Collected) -> Quarantined | None:
    """The report under the repository's quarantine; None where no test failed or there is no such file.

    The file is looked for only when a test failed. One that cannot be read is noted, and spares nobody.
    """
    report = collected.tests
    if report is None or not report.failures:
        return None
    place = str(context.stage.options.get("quarantine") or PLACE)
    text = next((file.content.read(LIMIT + 1) for file in context.read_workspace([place])), None)
    if text is None:
        return None
    try:
        entries = read_quarantine(text, file=place)
    except UsageError as error:
        context.log.note(f"quarantine: {error.message}; {error.hint}")
        return None
    spared = quarantined(report, entries, stage=context.stage.written, today=context.clock.now().date())
    for case in spared.report.failures:
        if case.quarantined:
            context.log.note(f"quarantine: {case.title} failed, which does not count {case.quarantined}")
    for entry in spared.ended:
        context.log.note(f"quarantine: {_over(entry)}")
    return spared


def _over(entry: Quarantine) -> str:
    return f"the quarantine of {entry.test} ended on {entry.until} ({entry.place}): it counts again"


def _held(report: TestReport) -> str:
    case = next(case for case in report.failures if case.quarantined)
    return f"in quarantine: {case.title} {case.quarantined}"


def _first(report: TestReport) -> str:
    case = next((case for case in report.failures if not case.quarantined), None)
    if case is None:
        return ""
    place = "::".join(part for part in (case.classname, case.name) if part)
    return f"first: {place}: {case.message.splitlines()[0]}" if case.message else f"first: {place}"


KIND = Test()
