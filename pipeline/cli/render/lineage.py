"""Where something that runs comes from, as a tree; and a release with everywhere it has been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.comparing import note_lines
from pipeline.cli.render.lines import Line, fitted, line
from pipeline.cli.render.words import ago, count, moment, promotion_look, run_look, shape, short, spoken, stage_look
from pipeline.model.commits import CommitNote
from pipeline.model.decision import Answer, Approval
from pipeline.model.finding import FindingSeverity
from pipeline.model.release import LedgerEntry, Release
from pipeline.model.run import Run, StageRun
from pipeline.operations.lineage import Arrival, Lineage, ReleasePage

_COMMITS = 10
_LOOKS = {"passed": "succeeded", "waiting": "waiting", "failed": "failed"}


def lineage_lines(found: Lineage, *, now: datetime, width: int) -> list[Line]:
    """What runs, who let it in, what is in it, what was known of it."""
    lines = _running(found)
    lines += _branch(f"promoted {_when(found.arrival, now)}", _promotion(found.arrival, now))
    if found.replaced is not None:
        brought = note_lines(found.notes, now=now, limit=_COMMITS) if found.notes else []
        lines += _branch(f"in place of {one_line(found.replaced.name)}", brought)
    for arrival in found.before:
        lines += _branch(f"was in {arrival.promotion.environment} before", _promotion(arrival, now))
    lines += _origin(found.release, found.run, found.commit, now)
    return [fitted(entry, width) for entry in lines]


def release_lines(page: ReleasePage, *, now: datetime, width: int) -> list[Line]:
    """A release: what it is, what was known of it, where it has been."""
    release = page.release
    where = f"live in {', '.join(page.live_in)}" if page.live_in else "live nowhere"
    lines = [
        line(shape("succeeded" if page.live_in else "waiting"), " ", (one_line(release.name), "bold"), f" {where}"),
        line((f"  {release.id}", "dim")),
        *_origin(release, page.run, page.commit, now),
    ]
    for arrival in page.arrivals:
        lines += _branch(f"{arrival.promotion.environment}, {_when(arrival, now)}", _promotion(arrival, now))
    if not page.arrivals:
        lines.append(line(("├─ ", "dim"), "was not promoted anywhere yet"))
    return [fitted(entry, width) for entry in lines]


def _running(found: Lineage) -> list[Line]:
    name, release = found.environment, one_line(found.release.name)
    if found.observed is None:
        why = f" (its target cannot be asked: {one_line(found.problem)})"
        return [
            line(
                shape("waiting"), " ", (name, "bold"), " has ", (release, "bold"), ", says the ledger", (why, "warned")
            )
        ]
    if found.drifted:
        seen = ", ".join(sorted({short(item.release) for item in found.observed.serving})) or "nothing"
        return [
            line(
                shape("warned"),
                " ",
                (name, "bold"),
                f" runs {seen}, but the ledger says ",
                (release, "bold"),
                (": drifted", "warned"),
            )
        ]
    lines = [line(shape("succeeded"), " ", (name, "bold"), " runs ", (release, "bold"), ", as the ledger says")]
    for item in found.observed.serving:
        place = f" on {one_line(item.place)}" if item.place else ""
        lines.append(line(("│    ", "dim"), (f"{one_line(item.name)}{place}: {one_line(item.image)}", "dim")))
    return lines


def _origin(release: Release, run: Run | None, commit: CommitNote | None, now: datetime) -> list[Line]:
    lines = _branch("images", [line(f"{one_line(name)}: {one_line(pin)}") for name, pin in release.images.items()])
    if run is None:
        lines += _branch(f"run {short(release.run)} is forgotten", [])
    else:
        look = run_look(run.state, run.conclusion)
        word = (run.conclusion or run.state).value
        by = f" by {one_line(run.actor)}" if run.actor else ""
        head = f"run {run.number} on {one_line(run.branch or run.tag or 'no branch')}{by}, {ago(run.created, now)}"
        evidence = [entry for stage in run.stages for entry in _evidence(stage)]
        lines += _branch(head, [line(shape(look), f" {spoken(word)}"), *evidence])
    words = release.commit[:12] + (" with uncommitted changes" if release.dirty else "")
    about = (
        [line(one_line(commit.subject)), line((f"{one_line(commit.author)}, {moment(commit.time)}", "dim"))]
        if commit
        else []
    )
    return lines + _branch(
        f"commit {words}", about or [line(("it is not in the repository here", "warned"))], last=True
    )


def _evidence(stage: StageRun) -> Iterable[Line]:
    look = stage_look(stage.state, stage.conclusion)
    products = stage.products
    reused = f" (of run {short(stage.reused)})" if stage.reused else ""
    if products.tests is not None:
        yield line(shape(look), f" {stage.name}: {products.tests.summary}{reused}")
    if stage.kind == "scan" and stage.attempts:
        grave = sum(item.severity.rank >= FindingSeverity.HIGH.rank for item in products.findings)
        yield line(
            shape(look), f" {stage.name}: {count(len(products.findings), 'finding')}, {grave} high or critical{reused}"
        )


def _promotion(arrival: Arrival, now: datetime) -> list[Line]:
    promotion = arrival.promotion
    look = promotion_look(promotion.state)
    detail = f": {one_line(promotion.detail)}" if promotion.detail else ""
    lines = [line(shape(look), f" {spoken(promotion.state.value)}{detail}")]
    told = promotion.reason and promotion.reason != promotion.requested_by
    reason = f" ({one_line(promotion.reason)})" if told else ""
    lines.append(line(("asked for by ", "dim"), one_line(promotion.requested_by), (reason, "dim")))
    if promotion.override:
        who = str(arrival.verdict.data.get("overridden_by") or "") if arrival.verdict else ""
        by = f" by {one_line(who)}" if who else ""
        words = f" its gates were opened by force{by}: "
        lines.append(line(shape("warned"), words, (one_line(promotion.override), "warned")))
    lines += _gates(arrival.verdict)
    lines += [_approval(item, now) for item in arrival.approvals]
    if promotion.measurements:
        passed = sum(item.passed for item in promotion.measurements)
        lines.append(line(("checks ", "dim"), f"{passed} of {len(promotion.measurements)} passed"))
    return lines


def _gates(verdict: LedgerEntry | None) -> list[Line]:
    answers = verdict.data.get("answers") if verdict else None
    lines = []
    for item in answers if isinstance(answers, list) else []:
        if isinstance(item, Mapping):
            look = _LOOKS.get(str(item.get("state")), "waiting")
            lines.append(line(shape(look), f" {one_line(str(item.get('gate')))}: {one_line(str(item.get('reason')))}"))
    return lines


def _approval(item: Approval, now: datetime) -> Line:
    good = item.answer is Answer.APPROVE
    word = "approved" if good else "rejected"
    signed = ", signed" if item.proof else ""
    reason = f": {one_line(item.reason)}" if item.reason else ""
    return line(
        shape("succeeded" if good else "failed"),
        f" {word} by ",
        (one_line(item.person), "bold"),
        f" {ago(item.time, now)}{signed}{reason}",
    )


def _when(arrival: Arrival, now: datetime) -> str:
    return ago(arrival.promotion.finished or arrival.promotion.created, now)


def _branch(title: str, below: Iterable[Line], *, last: bool = False) -> list[Line]:
    head = line(("└─ " if last else "├─ ", "dim"), (title, "bold"))
    return [head, *(line(("   " if last else "│  ", "dim")) + entry for entry in below)]
