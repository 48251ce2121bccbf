"""What the live view shows at one moment: a pure function from a run's progress to the lines that fit."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, fitted, line
from pipeline.cli.render.progress import RunProgress, StageProgress
from pipeline.cli.render.summary import run_title
from pipeline.cli.render.words import SHAPES, duration, shape, spoken, stage_look
from pipeline.model.run import Run
from pipeline.model.status import Conclusion, StageState

_TURNING = "◐◓◑◒"
_TAIL_ALONE = 12
_TAIL_SHARED = 6
_NARROW = 60
_ENOUGH_TO_READ = 40
"""Above this many stages the last picture leaves out those that went well."""


def frame(progress: RunProgress, run: Run, *, width: int, height: int, tick: int) -> list[Line]:
    """The picture while the run is under way: at most `height` lines of at most `width` cells.

    All stages where they fit; else those that failed and run, then the next ones, and a count of the others.
    """
    stages = list(progress.stages.values())
    room = max(height - 2, 1)
    shown = _chosen(stages, room)
    hidden = len(stages) - len(shown)
    room -= len(shown) + (1 if hidden else 0)
    running = [stage for stage in shown if _look(stage) == "running"]
    each = _tail_length(len(running), room)
    names = max((len(stage.name) for stage in shown), default=0)
    lines = [run_title(run)]
    for stage in shown:
        lines.append(_stage(progress, stage, names=names, width=width, tick=tick))
        if _look(stage) == "running" and each:
            lines += [line(("  │ ", "dim"), text) for text in _tail(stage, each)]
    if hidden:
        lines.append(line((f"  … {_hidden(stages, shown)}", "dim")))
    lines.append(_foot(progress, stages))
    return [fitted(entry, width) for entry in lines[:height]]


def last_picture(progress: RunProgress, run: Run, *, width: int) -> list[Line]:
    """The picture that stays when the run has ended."""
    stages = list(progress.stages.values())
    shown = stages
    if len(stages) > _ENOUGH_TO_READ:
        shown = [stage for stage in stages if stage.conclusion is not Conclusion.SUCCEEDED]
    names = max((len(stage.name) for stage in shown), default=0)
    lines = [run_title(run)]
    lines += [_stage(progress, stage, names=names, width=width, tick=0) for stage in shown]
    if len(shown) < len(stages):
        lines.append(line(shape("succeeded"), f" {len(stages) - len(shown)} more succeeded"))
    return [fitted(entry, width) for entry in lines]


def _chosen(stages: Sequence[StageProgress], room: int) -> list[StageProgress]:
    if len(stages) <= room:
        return list(stages)
    order = {"failed": 0, "running": 1, "warned": 2, "waiting": 3, "succeeded": 4}

    def weight(index: int) -> tuple[int, int]:
        stage = stages[index]
        rank = order[_look(stage)] if stage.state is not StageState.DONE or _look(stage) != "waiting" else 5
        return rank, index if rank < 4 else -index

    kept = sorted(sorted(range(len(stages)), key=weight)[: max(room - 1, 1)])
    return [stages[index] for index in kept]


def _tail_length(running: int, room: int) -> int:
    if running == 0 or room <= 0:
        return 0
    return min(_TAIL_ALONE if running == 1 else _TAIL_SHARED, room // running)


def _tail(stage: StageProgress, number: int) -> list[str]:
    rows = [one_line(row.rsplit(b"\r", 1)[-1].decode("utf-8", "replace")) for row in list(stage.tail)[-number:]]
    return [row for row in rows if row and row != f"$ {one_line(stage.command)}"]


def _stage(progress: RunProgress, stage: StageProgress, *, names: int, width: int, tick: int) -> Line:
    look = _look(stage)
    glyph = _TURNING[tick % len(_TURNING)] if look == "running" else SHAPES[look]
    took = duration(progress.running_for(stage)) if stage.began is not None else ""
    columns = [(glyph, look), (" " + stage.name.ljust(names), "" if look != "waiting" else "dim")]
    if width >= _NARROW:
        columns.append((f"  {stage.kind:<8}", "dim"))
    columns.append((f" {took:>7}  ", "dim"))
    return line(*columns, *_why(progress, stage, look))


def _why(progress: RunProgress, stage: StageProgress, look: str) -> Line:
    again = f" (attempt {stage.attempt})" if stage.attempt > 1 else ""
    if stage.outcome is not None:
        reason = one_line(stage.outcome.reason)
        tests = f" · {stage.tests}" if stage.tests else ""
        word = spoken(stage.outcome.conclusion.value)
        if stage.outcome.conclusion is Conclusion.SUCCEEDED:
            return line((reason + tests + again, "dim"))
        return line((word, look), f" {reason}{tests}{again}")
    match stage.state:
        case StageState.WAITING | StageState.READY:
            if stage.parked:
                return line((f"waits: {one_line(stage.parked)}", "warned"))
            needs = progress.waits_for(stage)
            return line((f"needs {', '.join(needs)}" if needs else "", "dim"))
        case StageState.RUNNING:
            return line((f"$ {one_line(stage.command)}" if stage.command else "", "accent"), again)
        case StageState.PREPARING | StageState.COLLECTING | StageState.DONE:
            return line((stage.state.value + again, "dim"))


def _hidden(stages: Sequence[StageProgress], shown: Sequence[StageProgress]) -> str:
    seen = {stage.name for stage in shown}
    counts: dict[str, int] = {}
    for stage in stages:
        if stage.name not in seen:
            word = spoken(stage.conclusion.value) if stage.conclusion else _look(stage)
            counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{number} {word}" for word, number in counts.items()) + " not shown"


def _foot(progress: RunProgress, stages: Sequence[StageProgress]) -> Line:
    done = sum(stage.state is StageState.DONE for stage in stages)
    running = sum(_look(stage) == "running" for stage in stages)
    failed = sum(_look(stage) == "failed" for stage in stages)
    parts = [f"{done} of {len(stages)} done", f"{running} running" if running else "", duration(progress.elapsed)]
    text = " · ".join(part for part in parts if part)
    wrong = (f" · {failed} failed", "failed") if failed else ""
    return line(
        (text, "bold"), wrong, (f" · {progress.note or 'Ctrl-C cancels'}", "warned" if progress.note else "dim")
    )


def _look(stage: StageProgress) -> str:
    return stage_look(stage.state, stage.conclusion)
