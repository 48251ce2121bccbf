"""A plan as a table, and as a drawing of which stage waits for which."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import count, duration, short
from pipeline.model.definition import EdgeRule, RunRule, StageDefinition
from pipeline.model.permission import distrusted, refusal
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.source import Event
from pipeline.operations.estimate import Estimate
from pipeline.operations.schedule import Due
from pipeline.planning.triggers import Triggered


def plan_lines(
    plan: Plan, estimate: Estimate | None, *, width: int, effects: Container[str] = frozenset()
) -> list[Line]:
    """Every stage with what would happen to it and why, then how long it may take.

    `effects` are the kinds that change the world outside the run: an untrusted one is refused them.
    """
    event = plan.event
    place = event.tag or event.branch
    dirty = " + changes" if plan.source.commit.dirty else ""
    head = line(
        (one_line(plan.name), "bold"),
        (f" · {one_line(place)} {plan.source.commit.short}{dirty} · {event.kind}", "dim"),
        (" · untrusted" if distrusted(event) else "", "warned"),
        (f" · {count(len(plan.stages), 'stage')}", "dim"),
    )
    times = estimate.stages if estimate else {}
    rows = [_row(planned, times, _refusal(planned, event, effects)) for planned in plan.stages]
    lines = [head, *columns(rows, right=frozenset({3}))]
    if estimate:
        chain = " → ".join(estimate.path)
        lines.append(line(("critical path: ", "dim"), f"{chain}, about {duration(estimate.seconds)}"))
    lines.append(line((f"plan {short(plan.digest)}; nothing was run", "dim")))
    return [fitted(entry, width) for entry in lines]


def start_lines(trigger: Triggered, event: Event, schedules: Sequence[Due]) -> list[Line]:
    """Whether the event starts a run by itself, and when the clock will start one."""
    lines: list[Line] = []
    if not trigger.starts:
        lines.append(line(("starts nothing: ", "warned"), one_line(trigger.sentence)))
    elif trigger.trigger:
        seen = ", ".join(f"{item.key} {item.seen}" for item in trigger.conditions)
        lines.append(line(("started by ", "dim"), one_line(f"{trigger.trigger}{f' ({seen})' if seen else ''}")))
    elif schedules or event.kind != "manual":
        lines.append(line(("started by ", "dim"), one_line(event.kind)))
    for due in schedules:
        on = f" on {due.trigger.branch}" if due.trigger.branch else ""
        times = ", ".join(time.strftime("%a %Y-%m-%d %H:%M %Z").strip() for time in due.times) or "never"
        lines.append(line((f"schedule '{due.trigger.cron}' {due.trigger.timezone}{on}: ", "dim"), one_line(times)))
    return lines


def _refusal(planned: PlannedStage, event: Event, effects: Container[str]) -> str:
    return refusal(planned.stage, event, effects=planned.stage.kind in effects)


def _row(planned: PlannedStage, times: Mapping[str, float], refused: str) -> Sequence[str | Piece]:
    stage = planned.stage
    if planned.skip is not None:
        word, why = ("skip", "waiting"), one_line(planned.skip.sentence)
    elif planned.reused:
        word, why = ("reuse", "succeeded"), one_line(_reused(planned))
    elif refused:
        word, why = ("refuse", "failed"), one_line(refused)
    else:
        word, why = ("later" if _open(planned) else "run", "running"), _why(planned)
    runs = planned.skip is None and not planned.reused
    took = f"~{duration(times[stage.name])}" if stage.name in times and runs else ""
    return (word, (stage.name, "bold"), (stage.kind, "dim"), (took, "dim"), why)


def _open(planned: PlannedStage) -> bool:
    return any(condition.holds is None for condition in planned.conditions)


def _reused(planned: PlannedStage) -> str:
    earlier = planned.earlier
    return f"from run {earlier.number or earlier.run}" if earlier else ""


def _not_reused(planned: PlannedStage) -> str:
    """Why no earlier result serves: of a stage that could be reused."""
    earlier = planned.earlier
    if earlier is None:
        return ""
    return f"{earlier.why}: {', '.join(earlier.differs)}" if earlier.differs else earlier.why


def _why(planned: PlannedStage) -> str:
    stage = planned.stage
    open_ones = [f"{item.key} {item.wanted}" for item in planned.conditions if item.holds is None]
    changed = next((item for item in planned.conditions if item.key == "changed" and item.holds), None)
    parts = [
        f"needs {', '.join(_need(stage, index) for index in range(len(stage.needs)))}" if stage.needs else "at once",
        f"{stage.when.run.value.replace('_', ' ')}" if stage.when.run is not RunRule.ON_SUCCESS else "",
        f"decided during the run: {', '.join(open_ones)}" if open_ones else "",
        f"changed: {changed.seen}" if changed else "",
        "may fail" if stage.allow_failure else "",
        _not_reused(planned),
    ]
    return one_line("; ".join(part for part in parts if part))


def _need(stage: StageDefinition, index: int) -> str:
    need = stage.needs[index]
    return need.stage if need.rule is EdgeRule.DEFAULT else f"{need.stage} (if {need.rule.value})"


def graph_lines(plan: Plan) -> list[Line]:
    """Each stage below the one that it waits for last; its other needs stand behind it."""
    depth: dict[str, int] = {}
    below: dict[str, list[StageDefinition]] = {"": []}
    others: dict[str, list[str]] = {}
    for planned in plan.stages:
        stage = planned.stage
        needs = [need.stage for need in stage.needs if need.stage in depth]
        last = max(needs, key=lambda name: depth[name], default="")
        depth[stage.name] = depth[last] + 1 if last else 0
        below.setdefault(stage.name, [])
        below[last].append(stage)
        others[stage.name] = [name for name in needs if name != last]
    skipped = {planned.stage.name for planned in plan.stages if planned.skip is not None}
    lines: list[Line] = []
    waiting = [(stage, "", "") for stage in reversed(below[""])]
    while waiting:
        stage, bars, knee = waiting.pop()
        more = f" (also needs {', '.join(others[stage.name])})" if others[stage.name] else ""
        role = "waiting" if stage.name in skipped else "bold"
        note = " skipped" if stage.name in skipped else ""
        lines.append(line((bars + knee, "dim"), (stage.name, role), (f" {stage.kind}{more}{note}", "dim")))
        deeper = bars + {"": "", "├─ ": "│  ", "└─ ": "   "}[knee]
        children = below[stage.name]
        for index, child in reversed(list(enumerate(children))):
            waiting.append((child, deeper, "└─ " if index == len(children) - 1 else "├─ "))
    return lines
