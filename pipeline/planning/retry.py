"""What is done again when a run is retried, and why: pure, from its plan and from how its stages ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import NotFoundError, UsageError
from pipeline.model.plan import Plan
from pipeline.model.run import StageRun
from pipeline.model.status import Conclusion


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """Stage to the reason why it runs again, in plan order; what stays as it is, likewise.

    `remarks` are the reasons of stages that had succeeded, for their logs.
    """

    again: Mapping[str, str]
    kept: Mapping[str, str]
    remarks: Mapping[str, str]


def retry_of(
    plan: Plan,
    stages: Mapping[str, StageRun],
    chosen: Sequence[str],
    *,
    effects: Callable[[str], bool],
    gone: Callable[[StageRun, str], str],
) -> Retry:
    """Without `chosen`: all that did not succeed and all that depends on it; else these stages and their dependents.

    `effects` tells whether a kind changes the world outside: one that succeeded is kept. `gone` tells what a stage
    that is kept left and another one needs but can no longer have ("" where nothing is missing); its producers run
    again. NotFoundError for an unknown stage, UsageError where nothing may be repeated.
    """
    names = [item.stage.name for item in plan.stages]
    kinds = {item.stage.name: item.stage.kind for item in plan.stages}
    needs = {item.stage.name: [need.stage for need in item.stage.needs if need.stage in kinds] for item in plan.stages}

    def done_outside(name: str) -> bool:
        return effects(kinds[name]) and stages[name].conclusion is Conclusion.SUCCEEDED

    again = _base(plan, stages, chosen, done_outside)
    again.update(_dependents(again, needs, done_outside))
    remarks = producers(plan, stages, [name for name in names if name in again], effects=effects, gone=gone)
    again.update(remarks)
    kept = {name: _ended(stages[name]) for name in names if name not in again}
    return Retry(again={name: again[name] for name in names if name in again}, kept=kept, remarks=remarks)


def producers(
    plan: Plan,
    stages: Mapping[str, StageRun],
    waiting: Sequence[str],
    *,
    effects: Callable[[str], bool],
    gone: Callable[[StageRun, str], str],
) -> dict[str, str]:
    """The stages that have to run again, with the reasons, for what those that wait need of them and is gone."""
    kinds = {item.stage.name: item.stage.kind for item in plan.stages}
    needs = {item.stage.name: [need.stage for need in item.stage.needs if need.stage in kinds] for item in plan.stages}
    again, todo, known = dict[str, str](), deque(waiting), set(waiting)
    while todo:
        name = todo.popleft()
        for ancestor in _ancestors(name, needs):
            if ancestor in known or effects(kinds[ancestor]):
                continue
            missing = gone(stages[ancestor], name)
            if missing:
                again[ancestor] = f"{missing} is gone, and {name} needs it"
                known.add(ancestor)
                todo.append(ancestor)
    return again


def _base(
    plan: Plan, stages: Mapping[str, StageRun], chosen: Sequence[str], done_outside: Callable[[str], bool]
) -> dict[str, str]:
    if not chosen:
        again = {
            stage.name: _ended(stage)
            for stage in stages.values()
            if stage.conclusion is None or not stage.conclusion.satisfies
        }
        if not again:
            raise UsageError("every stage succeeded: there is nothing to repeat", hint="name a stage to repeat it")
        return again
    again = {}
    for name in chosen:
        cells = [item.stage.name for item in plan.stages if name in (item.stage.name, item.stage.written)]
        if not cells:
            raise NotFoundError(f"there is no stage '{name}' in this run", hint=f"its stages: {', '.join(stages)}")
        for cell in cells:
            if done_outside(cell):
                raise UsageError(
                    f"stage '{cell}' succeeded, and what it did outside is not done twice",
                    hint="start a new run with `ecluse run`",
                )
            again[cell] = f"asked for; {_ended(stages[cell])}"
    return again


def _dependents(
    again: Mapping[str, str], needs: Mapping[str, Sequence[str]], kept: Callable[[str], bool]
) -> dict[str, str]:
    """All that depends on these at any distance, with the nearest cause; what is kept hands the cause on."""
    behind: dict[str, list[str]] = {}
    for name, wanted in needs.items():
        for need in wanted:
            behind.setdefault(need, []).append(name)
    found, seen = dict[str, str](), set(again)
    todo = deque((name, name) for name in again)
    while todo:
        name, cause = todo.popleft()
        for dependent in behind.get(name, ()):
            if dependent in seen:
                continue
            seen.add(dependent)
            if kept(dependent):
                todo.append((dependent, cause))
            else:
                found[dependent] = f"needs {cause}"
                todo.append((dependent, dependent))
    return found


def _ancestors(name: str, needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    seen: dict[str, None] = {}
    todo = list(needs[name])
    while todo:
        need = todo.pop()
        if need not in seen:
            seen[need] = None
            todo.extend(needs[need])
    return tuple(seen)


def _ended(stage: StageRun) -> str:
    if stage.outcome is None:
        return "it has not run"
    return f"{stage.outcome.conclusion.value}: {stage.outcome.reason}"
