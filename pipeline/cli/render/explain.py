"""An explanation as a tree: what decided a stage, each with the value that was seen."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.words import duration, run_look, shape, short, spoken, stage_look
from pipeline.model.definition import EdgeRule, RunRule
from pipeline.model.plan import Condition
from pipeline.model.status import Conclusion, StageState
from pipeline.operations.explain import AttemptSeen, Explanation, NeedSeen

Branch = tuple[Line, Sequence[Line]]
"""A line of the tree with the lines below it."""


def explanation_lines(found: Explanation) -> list[Line]:
    """The stage with everything that decided it."""
    branches = [
        *_conditions(found),
        *_needs(found),
        *_blockers(found),
        *_reuse(found),
        *_attempts(found),
        *_limits(found),
    ]
    lines = [_title(found)]
    for index, (head, below) in enumerate(branches):
        last = index == len(branches) - 1
        lines.append(line(("└─ " if last else "├─ ", "dim")) + head)
        for number, entry in enumerate(below):
            knee = "└─ " if number == len(below) - 1 else "├─ "
            lines.append(line(("   " if last else "│  ", "dim"), (knee, "dim")) + entry)
    return lines


def _title(found: Explanation) -> Line:
    stage, run = found.stage, found.run
    look = stage_look(stage.state, stage.conclusion)
    word = spoken(stage.conclusion.value) if stage.conclusion else stage.state.value
    reason = f": {one_line(stage.outcome.reason)}" if stage.outcome else ""
    if not stage.outcome and stage.parked:
        reason = f": {one_line(stage.parked)}"
    number = f"#{run.number}" if run.number else run.id
    head = line(shape(look), " ", (stage.name, "bold"), (f" {stage.kind} of run ", "dim"))
    return head + line((number, run_look(run.state, run.conclusion)), " ", (word, look), reason)


def _conditions(found: Explanation) -> list[Branch]:
    rows = [_condition(item) for item in found.conditions]
    if found.run_rule is not RunRule.ON_SUCCESS:
        rows.append(line(f"run: {found.run_rule.value}", ("  instead of the rule that all needs succeeded", "dim")))
    if found.manual:
        rows.append(line("manual: a person starts it", (f"  {one_line(found.stage.parked)}", "dim")))
    if not rows:
        return [(line(("when: ", "dim"), "no condition is written"), ())]
    return [(line(("when", "dim")), rows)]


def _condition(condition: Condition) -> Line:
    wanted = f"{condition.key}: wants {condition.wanted}, "
    if condition.holds is None:
        return line(one_line(wanted) + " ", (one_line(condition.seen), "running"))
    verdict = ("yes", "succeeded") if condition.holds else ("no", "failed")
    return line(one_line(f"{wanted}saw {condition.seen}:") + " ", verdict)


def _needs(found: Explanation) -> list[Branch]:
    if not found.needs:
        return [(line(("needs: ", "dim"), "nothing, it starts at once"), ())]
    return [(line(("needs", "dim")), [_need(item) for item in found.needs])]


def _need(need: NeedSeen) -> Line:
    look = stage_look(need.state, need.conclusion)
    rule = "" if need.rule is EdgeRule.DEFAULT else f" (if {need.rule.value})"
    word = spoken(need.conclusion.value) if need.conclusion else need.state.value
    told = need.reason and need.conclusion is not Conclusion.SUCCEEDED
    ending = "" if need.satisfied is not False else "  does not satisfy it"
    return line(
        shape(look),
        f" {need.stage}{rule} ",
        (word, look),
        (f": {one_line(need.reason)}" if told else "", "dim"),
        (ending, "failed"),
    )


def _blockers(found: Explanation) -> list[Branch]:
    branches: list[Branch] = []
    if found.blockers:
        rows = [line(" → ".join(way)) for way in found.blockers]
        branches.append((line(("blocked by", "dim")), rows))
    if found.waits_for:
        branches.append((line(("waits for: ", "dim"), ", ".join(found.waits_for)), ()))
    elif found.stage.state is StageState.WAITING and found.stage.conclusion is None and not found.stage.parked:
        branches.append((line(("waits for: ", "dim"), "a free place"), ()))
    return branches


def _reuse(found: Explanation) -> list[Branch]:
    reuse = found.reuse
    earlier = reuse.earlier
    if reuse.run:
        number = earlier.number if earlier is not None and earlier.run == reuse.run else 0
        which = f"#{number}" if number else reuse.run
        return [(line(("reuse: ", "dim"), f"the result of run {which} served"), ())]
    if earlier is not None and earlier.why:
        rows = [line(one_line(item)) for item in earlier.differs]
        return [(line(("reuse: ", "dim"), one_line(earlier.why)), rows)]
    if reuse.key:
        return [(line(("reuse: ", "dim"), f"no, its key is {short(reuse.key)}"), ())]
    return [(line(("reuse: ", "dim"), _no_reuse(found)), ())]


def _no_reuse(found: Explanation) -> str:
    """Why there was not even a key to look for."""
    if found.run.executor != "docker":
        return f"never with the executor '{found.run.executor}'"
    if found.stage.kind == "checkout":
        return "it is made again, unless nothing that runs sees it"
    return (
        "its key was not known before the run"
        if found.reuse.asked
        else "neither `reuse: true` nor `inputs` asks for it"
    )


def _attempts(found: Explanation) -> list[Branch]:
    if not found.attempts:
        return [(line(("attempts: ", "dim"), "none"), ())]
    return [(line(("attempts", "dim")), [_attempt(item) for item in found.attempts])]


def _attempt(attempt: AttemptSeen) -> Line:
    look = stage_look(StageState.DONE if attempt.conclusion else StageState.RUNNING, attempt.conclusion)
    word = spoken(attempt.conclusion.value) if attempt.conclusion else "running"
    took = f" after {duration(attempt.seconds)}" if attempt.seconds is not None else ""
    reason = f": {one_line(attempt.reason)}" if attempt.reason else ""
    again = f"  tried again: {one_line(attempt.again)}" if attempt.again else ""
    return line(shape(look), f" {attempt.number} ", (word, look), f"{took}{reason}", (again, "dim"))


def _limits(found: Explanation) -> list[Branch]:
    limit = duration(found.timeout) + ("" if found.has_own_timeout else ", the machine's default")
    more = ", a failure is allowed" if found.allow_failure else ""
    return [(line(("timeout: ", "dim"), f"{limit}{more}"), ())]
