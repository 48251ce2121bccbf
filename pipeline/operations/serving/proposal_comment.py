"""What is written below a pull request: how its run stands, failing tests first; hostile text cannot be markup."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.model.duration import spell_duration
from pipeline.model.markdown import inert
from pipeline.model.run import Run, StageRun
from pipeline.model.status import Conclusion

_STAGES = 100
_TESTS = 30
_SHAPES = {
    Conclusion.SUCCEEDED: "●",
    Conclusion.WARNED: "▲",
    Conclusion.SKIPPED: "○",
    Conclusion.BLOCKED: "○",
}
_WRONG = "✕"


def mark_of(repository: str, proposal: str) -> str:
    """By which our comment is found again. Both parts are our own spelling: a checked name, a number."""
    return f"<!-- ecluse {repository} {proposal} -->"


def comment_text(run: Run, *, url: str) -> str:
    """Markdown. Well below the 65,536 characters that GitHub takes."""
    parts = [_head(run, url), *_tests(run), *_stages(run), "", f"[The whole run]({url})"]
    return "\n".join(parts)


def _head(run: Run, url: str) -> str:
    word = (run.conclusion or run.state).value.replace("_", " ")
    took = f" in {spell_duration(round((run.finished - run.created).total_seconds(), 1))}" if run.finished else ""
    return f"**{inert(run.pipeline)}** [#{run.number or run.id[:8]}]({url}) {word}{took}, commit `{run.commit[:12]}`"


def _tests(run: Run) -> Iterator[str]:
    found = [(stage, case) for stage in run.stages if stage.products.tests for case in stage.products.tests.failures]
    if not found:
        return
    yield f"\n**{len(found)} {'test' if len(found) == 1 else 'tests'} failed**\n"
    for stage, case in found[:_TESTS]:
        first = inert((case.message.strip().splitlines() or [""])[0])
        quarantined = ", in quarantine" if case.quarantined else ""
        yield f"- {inert(case.title)} ({inert(stage.name)}{quarantined})" + (f": {first}" if first else "")
    if len(found) > _TESTS:
        yield f"- and {len(found) - _TESTS} more"


def _stages(run: Run) -> Iterator[str]:
    if not run.stages:
        return
    yield "\n| stage | | time | |"
    yield "|---|---|---|---|"
    for stage in run.stages[:_STAGES]:
        seconds = stage.seconds
        took = spell_duration(round(seconds, 1)) if seconds is not None else ""
        yield f"| {inert(stage.name)} | {_state(stage)} | {took} | {_reason(stage)} |"
    if len(run.stages) > _STAGES:
        yield f"\nand {len(run.stages) - _STAGES} more"


def _state(stage: StageRun) -> str:
    if stage.conclusion is None:
        return "○ waiting"
    word = stage.conclusion.value.replace("_", " ")
    more = f"{', flaky' if stage.flaky else ''}{', reused' if stage.reused else ''}"
    return f"{_SHAPES.get(stage.conclusion, _WRONG)} {word}{more}"


def _reason(stage: StageRun) -> str:
    parts = [stage.outcome.reason if stage.outcome else stage.parked]
    if stage.products.tests:
        parts.append(stage.products.tests.summary)
    return " · ".join(inert(part) for part in dict.fromkeys(parts) if part)
