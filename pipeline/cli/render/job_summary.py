"""A run as a page of Markdown, for the summary of a job (`GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.words import count, duration, shape, spoken, stage_look
from pipeline.model.run import Run, StageRun

_STAGES = 200
_TESTS = 50
_LENGTH = 300
_ESCAPES = {ord(letter): f"&#{ord(letter)};" for letter in "&<>\\`*_[]|~#@!"}


def job_summary(run: Run) -> str:
    """A table of the stages and a list of the tests that failed; well below the 1 MiB that GitHub takes."""
    return "\n".join([*_head(run), "", *_stages(run), *_tests(run), ""])


def _head(run: Run) -> Iterator[str]:
    number = f" #{run.number}" if run.number else ""
    word = spoken((run.conclusion or run.state).value)
    took = f" in {duration((run.finished - run.created).total_seconds())}" if run.finished else ""
    yield f"### {_cell(run.pipeline)}{number} {word}{took}"
    place = run.tag or run.branch
    yield f"{_cell(place)} `{run.commit[:12]}` · {run.event} · run `{run.id}`"


def _stages(run: Run) -> Iterator[str]:
    yield "| stage | | time | reason |"
    yield "|---|---|---|---|"
    for stage in run.stages[:_STAGES]:
        yield f"| {_cell(stage.name)} | {_state(stage)} | {duration(stage.seconds)} | {_reason(stage)} |"
    if len(run.stages) > _STAGES:
        yield f"\n… and {count(len(run.stages) - _STAGES, 'more stage')}"


def _state(stage: StageRun) -> str:
    word = spoken(stage.conclusion.value) if stage.conclusion else "waiting"
    return f"{shape(stage_look(stage.state, stage.conclusion))[0]} {word}{', flaky' if stage.flaky else ''}"


def _reason(stage: StageRun) -> str:
    parts = [stage.outcome.reason] if stage.outcome else [stage.parked]
    if stage.products.tests:
        parts.append(stage.products.tests.summary)
    if stage.products.coverage:
        parts.append(f"{stage.products.coverage.percent:.1f} % covered")
    return " · ".join(_cell(part) for part in dict.fromkeys(parts) if part)


def _tests(run: Run) -> Iterator[str]:
    failures = [(stage, case) for stage in run.stages if stage.products.tests for case in stage.products.tests.failures]
    if not failures:
        return
    yield f"\n#### {count(len(failures), 'test')} failed\n"
    for stage, case in failures[:_TESTS]:
        name = f"{case.classname}.{case.name}" if case.classname else case.name
        first = (case.message.strip().splitlines() or [""])[0]
        yield f"- {_cell(stage.name)}: **{_cell(name)}**" + (f"<br>{_cell(first)}" if first else "")
    if len(failures) > _TESTS:
        yield f"- … and {count(len(failures) - _TESTS, 'more test')}"


def _cell(text: str) -> str:
    """Somebody else's text in one cell: no markup, no link, no mention of anybody."""
    return one_line(text)[:_LENGTH].translate(_ESCAPES)
