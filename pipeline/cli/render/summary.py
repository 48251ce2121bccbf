"""The last words of a run: what failed, the first lines and tests that tell why, and the command to look closer."""

from __future__ import annotations

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.progress import RunProgress, StageProgress
from pipeline.cli.render.words import count, duration, run_look, shape, spoken, stage_look
from pipeline.model.outcome import Outcome
from pipeline.model.run import Run
from pipeline.model.status import Conclusion, RunState

_TESTS = 5
_LINES = 8
_STAGES = 6


def run_title(run: Run) -> Line:
    """`shop #41 · main 4f1c0de0aa11 · push`."""
    number = f" #{run.number}" if run.number else ""
    place = run.tag or run.branch
    dirty = " + changes" if run.dirty else ""
    rest = " · ".join(part for part in (f"{place} {run.commit[:12]}{dirty}".strip(), run.event) if part)
    return line((one_line(run.pipeline) + number, "bold"), (f" · {one_line(rest)}", "dim"))


def summary(progress: RunProgress, run: Run) -> list[Line]:
    """What a person wants to read when the run has ended."""
    lines: list[Line] = []
    wrong = [(stage, stage.outcome) for stage in progress.stages.values() if stage.outcome and _wrong(stage.outcome)]
    for stage, outcome in wrong[:_STAGES]:
        lines += [line(""), *_trouble(stage, outcome, run)]
    if len(wrong) > _STAGES:
        lines += [line(""), line(f"… and {count(len(wrong) - _STAGES, 'more stage')} that went wrong")]
    parked = [stage for stage in progress.stages.values() if stage.parked]
    if parked:
        lines += [line(""), *_waiting(parked, run)]
    lines += [line((f"  {one_line(text)}", "dim")) for text in progress.notes]
    return [*lines, line(""), last_line(progress, run), *_next(run, went_wrong=bool(wrong))]


def last_line(progress: RunProgress, run: Run) -> Line:
    """`✕ shop #41 failed in 14s: 1 failed, 5 succeeded`."""
    word = spoken(run.conclusion.value) if run.conclusion else spoken(run.state.value)
    look = run_look(run.state, run.conclusion)
    number = f" #{run.number}" if run.number else ""
    counts = _counts(progress)
    return line(
        shape(look),
        (f" {one_line(run.pipeline)}{number} {word}", look),
        f" in {duration(progress.elapsed)}",
        f": {counts}" if counts else "",
    )


def _counts(progress: RunProgress) -> str:
    seen: dict[str, int] = {}
    for stage in progress.stages.values():
        word = spoken(stage.conclusion.value) if stage.conclusion else "waiting"
        seen[word] = seen.get(word, 0) + 1
    order = [spoken(item.value) for item in reversed(Conclusion)] + ["waiting"]
    return ", ".join(f"{seen[word]} {word}" for word in order if word in seen)


def _waiting(parked: list[StageProgress], run: Run) -> list[Line]:
    """What each parked stage waits for, and the command that starts it."""
    lines: list[Line] = []
    for stage in parked:
        lines.append(line(shape("waiting"), " ", (stage.name, "bold"), f" waits: {one_line(stage.parked)}"))
        if stage.manual:
            command = f"ecluse resume {run.number or run.id} --start {stage.name}"
            lines.append(line(("  start it: ", "dim"), (command, "accent")))
    return lines


def _wrong(outcome: Outcome) -> bool:
    return outcome.conclusion.went_wrong or outcome.conclusion is Conclusion.WARNED


def _trouble(stage: StageProgress, outcome: Outcome, run: Run) -> list[Line]:
    look = stage_look(stage.state, stage.conclusion)
    lines = [
        line(shape(look), " ", (stage.name, "bold"), (f" {spoken(outcome.conclusion.value)}", look))
        + line(f": {one_line(outcome.reason)}")
    ]
    if outcome.hint:
        lines += [line(("  " + one_line(text), "dim")) for text in outcome.hint.splitlines()]
    for case in stage.failures[:_TESTS]:
        lines += _test(case.classname, case.name, case.message, case.file, case.line)
    if len(stage.failures) > _TESTS:
        lines.append(line(f"  … and {count(len(stage.failures) - _TESTS, 'more test')}"))
    if not stage.failures:
        lines += _last_words(stage)
    lines.append(line(("  look closer: ", "dim"), (f"ecluse logs {run.number or run.id} {stage.name}", "accent")))
    return lines


def _test(classname: str, name: str, message: str, file: str, number: int) -> list[Line]:
    place = f" ({one_line(file)}:{number})" if file else ""
    title = one_line(f"{classname}.{name}" if classname else name)
    first = one_line(message.strip().splitlines()[0]) if message.strip() else ""
    lines = [line("  ", shape("failed"), f" {title}", (place, "dim"))]
    return [*lines, line(f"    {first}")] if first else lines


def _last_words(stage: StageProgress) -> list[Line]:
    """What the command that failed printed last; where it printed nothing, what came before it."""
    texts = [text for row in stage.tail if (text := one_line(row.decode("utf-8", "replace")))]
    header = f"$ {one_line(stage.command)}" if stage.command else ""
    starts = [index for index, text in enumerate(texts) if header and text == header]
    rows = texts[-_LINES:]
    if starts and starts[-1] < len(texts) - 1:
        rows = [header, *texts[starts[-1] + 1 :][-_LINES:]]
    return [line(("  │ ", "dim"), (text, "accent" if text.startswith("$ ") else "")) for text in rows]


def _next(run: Run, *, went_wrong: bool) -> list[Line]:
    reference = str(run.number or run.id)
    if run.state is RunState.PARKED:
        return [line(("  it goes on with: ", "dim"), (f"ecluse resume {reference}", "accent"))]
    if run.conclusion is Conclusion.CANCELLED:
        return [line(("  do what is left: ", "dim"), (f"ecluse retry {reference}", "accent"))]
    if went_wrong:
        return [line(("  everything about it: ", "dim"), (f"ecluse show {reference}", "accent"))]
    return []
