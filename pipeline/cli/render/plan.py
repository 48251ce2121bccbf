"""A plan as a table, and as a drawing of which stage waits for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.words import count, duration, short
from pipeline.model.definition import EdgeRule, RunRule, StageDefinition
from pipeline.model.plan import Plan, PlannedStage
from pipeline.operations.estimate import Estimate


def plan_lines(plan: Plan, estimate: Estimate | None, *, width: int) -> list[Line]:
    """Every stage with what would happen to it and why, then how long it may take."""
    event = plan.event
    place = event.tag or event.branch
    dirty = " + changes" if plan.source.commit.dirty else ""
    head = line(
        (one_line(plan.name), "bold"),
        (f" · {one_line(place)} {plan.source.commit.short}{dirty} · {event.kind}", "dim"),
        (f" · {count(len(plan.stages), 'stage')}", "dim"),
    )
    times = estimate.stages if estimate else {}
    lines = [head, *columns([_row(planned, times) for planned in plan.stages], right=frozenset({3}))]
    if estimate:
        chain = " → ".join(estimate.path)
        lines.append(line(("critical path: ", "dim"), f"{chain}, about {duration(estimate.seconds)}"))
    lines.append(line((f"plan {short(plan.digest)}; nothing was run", "dim")))
    return [fitted(entry, width) for entry in lines]


def _row(planned: PlannedStage, times: Mapping[str, float]) -> Sequence[str | Piece]:
    stage = planned.stage
    if planned.skip is not None:
        word, why = ("skip", "waiting"), one_line(planned.skip.sentence)
    else:
        word, why = ("later" if _open(planned) else "run", "running"), _why(planned)
    took = f"~{duration(times[stage.name])}" if stage.name in times and planned.skip is None else ""
    return (word, (stage.name, "bold"), (stage.kind, "dim"), (took, "dim"), why)


def _open(planned: PlannedStage) -> bool:
    return any(condition.holds is None for condition in planned.conditions)


def _why(planned: PlannedStage) -> str:
    stage = planned.stage
    open_ones = [f"{item.key} {item.wanted}" for item in planned.conditions if item.holds is None]
    parts = [
        f"needs {', '.join(_need(stage, index) for index in range(len(stage.needs)))}" if stage.needs else "at once",
        f"{stage.when.run.value.replace('_', ' ')}" if stage.when.run is not RunRule.ON_SUCCESS else "",
        f"decided during the run: {', '.join(open_ones)}" if open_ones else "",
        "may fail" if stage.allow_failure else "",
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
