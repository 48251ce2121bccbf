"""What the run of a release has to show to gates: its stages, and whether anything but this promotion is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pipeline.errors import NotFoundError
from pipeline.model.gate_facts import RunEvidence, StageEvidence
from pipeline.model.plan import Plan
from pipeline.model.release import Promotion, Release
from pipeline.model.report import TestStatus
from pipeline.model.run import Run, StageRun
from pipeline.model.status import Conclusion, RunState, StageState, run_conclusion
from pipeline.ports.records import Records


def run_evidence(
    records: Records, release: Release, *, environment: str, promotion: Promotion | None
) -> RunEvidence | None:
    """Of the run that asks for the promotion; else of the newest that brought the release anywhere and succeeded, else
    of the one that sealed it. None where it is not recorded here."""
    for reference in _runs(records, release, promotion):
        try:
            run = records.find_run(reference)
        except NotFoundError:
            continue
        plan = Plan.from_json(records.plan(reference))
        return evidence_of(run, waiting=waits_for(plan, environment))
    return None


def waits_for(plan: Plan, environment: str) -> frozenset[str]:
    """The stages that bring releases into an environment, and all that need them."""
    found = {
        item.stage.name
        for item in plan.stages
        if item.stage.kind in ("deploy", "smoke") and item.stage.options.get("environment") == environment
    }
    for item in plan.stages:  # every stage comes after its needs
        if any(need.stage in found for need in item.stage.needs):
            found.add(item.stage.name)
    return frozenset(found)


def evidence_of(run: Run, *, waiting: frozenset[str]) -> RunEvidence:
    """The run without the stages that wait for the promotion: their failing is no reason not to try again."""
    others = [stage for stage in run.stages if stage.name not in waiting]
    unfinished = tuple(stage.name for stage in others if stage.state is not StageState.DONE)
    cancelled = run.state is RunState.DONE and run.conclusion is Conclusion.CANCELLED
    ended = [stage.conclusion for stage in others if stage.conclusion is not None]
    return RunEvidence(
        run=run.id,
        number=run.number,
        done=not unfinished,
        conclusion=run_conclusion(ended, cancelled=cancelled),
        stages=tuple(_stage(stage) for stage in others),
        unfinished=unfinished,
    )


def _runs(records: Records, release: Release, promotion: Promotion | None) -> Iterable[str]:
    if promotion is not None and promotion.run:
        yield promotion.run
        return
    seen: Sequence[Promotion] = records.promotions(repository=release.repository, release=release.id, limit=200)
    for run in dict.fromkeys(item.run for item in seen if item.run):
        try:
            if records.find_run(run).conclusion is Conclusion.SUCCEEDED:
                yield run
        except NotFoundError:
            continue
    if release.run:
        yield release.run


def _stage(stage: StageRun) -> StageEvidence:
    report = stage.products.tests
    return StageEvidence(
        stage=stage.name,
        kind=stage.kind,
        conclusion=stage.conclusion,
        tests=report.total - report.count(TestStatus.SKIPPED) if report else None,
        tests_failed=report.failed if report else 0,
        findings=Counter(item.severity for item in stage.products.findings),
    )
