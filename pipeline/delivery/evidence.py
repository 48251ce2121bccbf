"""The gate `evidence`: what the release's run has shown; what is absent, warned or skipped shows nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.delivery.case import Case
from pipeline.delivery.saying import failed, listed, passed, waiting
from pipeline.model.finding import FindingSeverity
from pipeline.model.gate import EvidenceRule, GateAnswer, GateDefinition
from pipeline.model.gate_facts import RunEvidence, StageEvidence
from pipeline.model.release import Release
from pipeline.model.status import Conclusion


def proven(
    gate: GateDefinition,
    rule: EvidenceRule,
    case: Case,
) -> GateAnswer:
    """Everything that the rule asks for is there. It waits for a run that can still show it."""
    run, release = case.facts.evidence, case.release
    if run is None:
        return failed(gate, f"the run of {release.name} is not recorded here, so it shows nothing")
    missing = [*_missing(rule, release, run)]
    if not missing:
        return passed(gate, f"run {run.number} shows it: {', '.join(_asked(rule))}")
    reason = "; ".join(missing)
    if run.unfinished:
        return waiting(gate, f"{reason}; run {run.number} is not done: {listed(run.unfinished)}")
    return failed(gate, f"{reason} (run {run.number})")


def _asked(rule: EvidenceRule) -> Iterator[str]:
    if rule.tests:
        yield "tests passed"
    if rule.scan is not None:
        yield f"nothing above {rule.scan.value} is open"
    if rule.provenance:
        yield "provenance"


def _missing(rule: EvidenceRule, release: Release, run: RunEvidence) -> Iterator[str]:
    if rule.tests:
        yield from _tests(run)
    if rule.scan is not None:
        yield from _scan(run, rule.scan)
    if rule.provenance:
        bare = [name for name, image in release.images.items() if image not in run.provenance]
        if bare or not release.images:
            yield f"no provenance is attached to {listed(bare) or 'it: it has no image'}"


def _tests(run: RunEvidence) -> Iterator[str]:
    stages = [item for item in run.stages if item.kind == "test" or item.tests is not None]
    yield from _not_succeeded(stages)
    shown = [item for item in stages if item.conclusion is Conclusion.SUCCEEDED]
    red = [item.stage for item in shown if item.tests_failed]
    if red:
        yield f"tests failed in {listed(red)}"
    if not sum(item.tests or 0 for item in shown):
        yield "no report of tests"


def _scan(run: RunEvidence, most: FindingSeverity) -> Iterator[str]:
    stages = [item for item in run.stages if item.kind == "scan"]
    if not stages:
        yield "nothing was scanned"
    yield from _not_succeeded(stages)
    worse = {
        severity: sum(item.findings.get(severity, 0) for item in stages)
        for severity in reversed(FindingSeverity)
        if severity.rank > most.rank
    }
    found = [f"{number} {severity.value}" for severity, number in worse.items() if number]
    if found:
        yield f"{', '.join(found)} open, and {most.value} is the worst that may be"


def _not_succeeded(stages: list[StageEvidence]) -> Iterator[str]:
    for item in stages:
        if item.conclusion is not Conclusion.SUCCEEDED:
            state = item.conclusion.value.replace("_", " ") if item.conclusion else "not done"
            yield f"{item.stage} is {state}"
