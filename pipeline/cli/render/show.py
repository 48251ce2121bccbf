"""A recorded run as a tree: every stage with its end and reason, and below it what tells why and what it made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.cli.render.chart import chart_lines
from pipeline.cli.render.clean import bare, one_line
from pipeline.cli.render.lines import Line, Piece, fitted, line
from pipeline.cli.render.summary import run_title
from pipeline.cli.render.words import (
    ago,
    count,
    duration,
    moment,
    promotion_look,
    run_look,
    shape,
    short,
    size,
    spoken,
    stage_look,
)
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.release import Promotion, Release
from pipeline.model.run import Run, StageRun
from pipeline.model.status import Conclusion, StageState
from pipeline.model.trust import Trust
from pipeline.model.value import Value

_SOME = 10
"""How many tests or artifacts of a stage the whole run's tree shows."""
_FINDINGS = 5
"""The same for findings, and of a stage that succeeded only the grave ones."""
_GRAVE = FindingSeverity.HIGH.rank


def run_tree(
    run: Run,
    *,
    releases: Mapping[str, Release],
    promotions: Mapping[str, Promotion],
    now: datetime,
    width: int,
) -> list[Line]:
    """The whole run."""
    lines = _head(run, now)
    names = max((len(stage.name) for stage in run.stages), default=0)
    for index, stage in enumerate(run.stages):
        last = index == len(run.stages) - 1
        lines.append(line(("└─ " if last else "├─ ", "dim")) + _stage(stage, names))
        details = _details(stage, releases, promotions, limit=_SOME)
        lines += [line(("   " if last else "│  ", "dim"), "  ") + detail for detail in details]
    return [fitted(entry, width) for entry in lines]


def stage_page(
    run: Run,
    stage: StageRun,
    *,
    releases: Mapping[str, Release],
    promotions: Mapping[str, Promotion],
    conditions: Sequence[Mapping[str, Value]],
    now: datetime,
) -> list[Line]:
    """One stage in full: every test that failed with its details, every finding, every condition as it was seen."""
    lines = [*_head(run, now), line(), _stage(stage, len(stage.name))]
    for condition in conditions:
        holds = condition.get("holds")
        seen = str(condition.get("seen"))
        verdict = seen if holds is None else "yes" if holds else "no"
        lines.append(
            line(("  when ", "dim"), f"{condition.get('key')}: wants {condition.get('wanted')}, ")
            + line(one_line(f"saw {seen}:") + " " if holds is not None else "", (one_line(verdict), "bold"))
        )
    lines += [line("  ") + detail for detail in _details(stage, releases, promotions, limit=None)]
    if stage.attempts:
        lines.append(line(("  its log: ", "dim"), (f"ecluse logs {run.number} {stage.name}", "accent")))
    return lines


def _head(run: Run, now: datetime) -> list[Line]:
    look = run_look(run.state, run.conclusion)
    word = spoken(run.conclusion.value if run.conclusion else run.state.value)
    by = f" by {one_line(run.actor)}" if run.actor else ""
    seconds = ((run.finished or now) - run.created).total_seconds()
    first = run.message.strip().splitlines()[0] if run.message.strip() else ""
    return [
        line(shape(look), " ") + run_title(run) + line((by, "dim"), " ", (word, look)),
        line(f"  {one_line(first)}", (f" ({one_line(run.author)})" if run.author else "", "dim")),
        line(
            (f"  {moment(run.created)}, {ago(run.created, now)}, took {duration(seconds)}", "dim"),
            (f" · {run.executor} · {one_line(run.repository)}", "dim"),
            (_level(run), "warned"),
        ),
        line((f"  id {run.id}", "dim")),
    ]


def _level(run: Run) -> str:
    """That a run was not trusted."""
    if run.trust is not Trust.UNTRUSTED:
        return ""
    return f" · untrusted, of pull request {one_line(run.proposal)}" if run.proposal else " · untrusted"


def _stage(stage: StageRun, names: int) -> Line:
    look = stage_look(stage.state, stage.conclusion)
    flaky = line((" flaky", "warned")) if stage.flaky else ()
    if stage.outcome is None:
        state = stage.state.value if stage.state is not StageState.WAITING else "waiting"
        ending: Line = line((state, look)) + (line(f": {one_line(stage.parked)}") if stage.parked else ())
    elif stage.conclusion is Conclusion.SUCCEEDED:
        ending = line((one_line(stage.outcome.reason), "dim"))
    else:
        ending = line((spoken(stage.outcome.conclusion.value), look), f": {one_line(stage.outcome.reason)}")
    return (
        line(shape(look), f" {stage.name.ljust(names)}  ", (f"{stage.kind:<8} {duration(stage.seconds):>7}  ", "dim"))
        + ending
        + flaky
    )


def _details(
    stage: StageRun, releases: Mapping[str, Release], promotions: Mapping[str, Promotion], *, limit: int | None
) -> list[Line]:
    lines: list[Line] = []
    if stage.outcome and stage.outcome.hint:
        lines += [line((one_line(text), "dim")) for text in stage.outcome.hint.splitlines()]
    if len(stage.attempts) > 1:
        for attempt in stage.attempts:
            reason = attempt.outcome.reason if attempt.outcome else "running"
            look = stage_look(StageState.DONE, attempt.outcome.conclusion if attempt.outcome else None)
            lines.append(line(f"attempt {attempt.number} ", shape(look), f" {one_line(reason)}"))
    lines += _tests(stage, limit)
    well = stage.conclusion is Conclusion.SUCCEEDED
    lines += _findings(stage.products.findings, limit, stage_succeeded=well)
    lines += _measurements(stage, limit)
    lines += _made(stage, releases, promotions, limit)
    return lines


def _tests(stage: StageRun, limit: int | None) -> list[Line]:
    products = stage.products
    lines: list[Line] = []
    coverage = f"coverage {products.coverage.percent:.1f}%" if products.coverage else ""
    tests = f"tests: {products.tests.summary}" if products.tests else ""
    if tests or coverage:
        lines.append(line(" · ".join(part for part in (tests, coverage) if part)))
    failures = products.tests.failures if products.tests else ()
    for case in failures[:limit]:
        title = one_line(f"{case.classname}.{case.name}" if case.classname else case.name)
        place = f" ({one_line(case.file)}:{case.line})" if case.file else ""
        held = f" in quarantine {one_line(case.quarantined)}" if case.quarantined else ""
        lines.append(line(shape("warned" if held else "failed"), f" {title}", (place, "dim"), (held, "warned")))
        words = case.message.strip().splitlines()
        if limit is None:
            words = bare(case.message.strip() + "\n" + case.details.strip()).strip().splitlines()
        lines += [line(f"  {one_line(text) if limit else text}") for text in words[: 1 if limit else None]]
    return lines + _more(len(failures), limit, "test")


def _findings(findings: Sequence[Finding], limit: int | None, *, stage_succeeded: bool) -> list[Line]:
    if not findings:
        return []
    counts = Counter(finding.severity for finding in findings)
    words = ", ".join(
        f"{counts[severity]} {severity.value}" for severity in reversed(FindingSeverity) if counts[severity]
    )
    lines = [line(f"findings: {words}")]
    worst_first = sorted(findings, key=lambda item: -item.severity.rank)
    if limit is not None:
        limit = min(limit, _FINDINGS)
        worst_first = [item for item in worst_first if not stage_succeeded or item.severity.rank >= _GRAVE]
    for finding in worst_first[:limit]:
        look = "failed" if finding.severity.rank >= _GRAVE else "warned"
        severity = f" {finding.severity.value:<8} "
        lines.append(line(shape(look), severity, (one_line(finding.rule), "bold"), f" {_said(finding)}"))
    return lines + _more(len(worst_first), limit, "finding")


def _said(finding: Finding) -> str:
    """The scanner's words, with the package or the place where they do not name it."""
    if finding.package and finding.message.startswith(finding.package):
        return one_line(finding.message)
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    package = f"{finding.package} {finding.version}".strip()
    fixed = f", fixed in {finding.fixed_in}" if finding.fixed_in else ""
    return one_line(f"{package or place}{fixed}: {finding.message}")


def _measurements(stage: StageRun, limit: int | None) -> list[Line]:
    measured = stage.products.measurements
    lines = [
        line(
            shape("succeeded" if item.passed else "failed"),
            f" {one_line(item.check)}: {one_line(item.seen)}",
            (f" (wants {one_line(item.wanted)}, {duration(item.seconds)})", "dim"),
        )
        for item in (measured if limit is None else [item for item in measured if not item.passed][:limit])
    ]
    if measured and limit is not None:
        passed = sum(item.passed for item in measured)
        lines.insert(0, line(f"checks: {passed} of {len(measured)} passed"))
    return lines + chart_lines(measured)


def _made(
    stage: StageRun, releases: Mapping[str, Release], promotions: Mapping[str, Promotion], limit: int | None
) -> list[Line]:
    products = stage.products
    lines: list[Line] = []
    if products.image:
        lines.append(line(f"image: {one_line(products.image.reference)} ", (short(products.image.id), "dim")))
    if products.pushed:
        tags = ", ".join(products.pushed.tags)
        lines.append(
            line(f"pushed: {one_line(products.pushed.pinned)}", (f" as {one_line(tags)}" if tags else "", "dim"))
        )
    if products.release:
        release = releases.get(products.release)
        name = one_line(release.name) if release else short(products.release)
        promotion = promotions.get(products.promotion)
        lines.append(line("release: ", (name, "bold"), *(_promotion(promotion) if promotion else ())))
    for name, text in products.outputs.items() if limit is None else ():
        lines.append(line(f"output {one_line(name)}={one_line(text)}"))
    lines += [
        line(f"{item.kind} {one_line(item.name)}: ", (one_line(item.path), "accent"), (f" {size(item.size)}", "dim"))
        for item in products.artifacts[:limit]
    ]
    return lines + _more(len(products.artifacts), limit, "artifact")


def _promotion(promotion: Promotion) -> tuple[Piece, ...]:
    look = promotion_look(promotion.state)
    detail = f": {one_line(promotion.detail)}" if promotion.detail else ""
    return ((f" → {promotion.environment} ", ""), (spoken(promotion.state.value), look), (detail, ""))


def _more(number: int, limit: int | None, noun: str) -> list[Line]:
    if limit is None or number <= limit:
        return []
    return [line((f"… and {count(number - limit, f'more {noun}')}", "dim"))]
