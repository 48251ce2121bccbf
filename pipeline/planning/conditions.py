"""Judges the conditions of `when` and keeps the values that each of them saw."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pipeline.model.definition import StageDefinition
from pipeline.model.globs import matcher
from pipeline.model.plan import Condition
from pipeline.model.source import Changes, Event
from pipeline.planning.evaluation import Evaluation, is_late
from pipeline.planning.triggers import wanted_by, wanted_words

SHOWN_PATHS = 3


def judge(
    stage: StageDefinition,
    event: Event,
    *,
    effects: bool,
    evaluation: Evaluation,
    late: bool,
    changes: Callable[[str], Changes] | None = None,
) -> tuple[Condition, ...]:
    """Every condition of a stage; `holds` is None for one that is decided only during the run.

    `changes` says what changed for the stage of a name; without it that is what the event says.
    A kind with outside effects does not run for pull requests unless `when.event` says so.
    """
    when = stage.when
    found: list[Condition] = []
    if when.event:
        found.append(_listed("event", event.kind, when.event, holds=event.kind in when.event))
    elif effects and event.kind == "pull_request":
        found.append(
            Condition(key="event", wanted="another event (this kind has outside effects)", seen=event.kind, holds=False)
        )
    for key, seen, patterns in (("branch", event.branch, when.branch), ("tag", event.tag, when.tag)):
        if patterns:
            found.append(_listed(key, seen, patterns, holds=bool(seen) and matcher(patterns)(seen)))
    if when.changed:
        of_event = Changes(paths=event.changed, base=event.base, reason=event.base_reason)
        found.append(_changed(changes(stage.name) if changes else of_event, when.changed))
    if when.expression:
        found.append(_expression(when.expression, evaluation, late=late))
    return tuple(found)


def _listed(key: str, seen: str, wanted: tuple[str, ...], *, holds: bool) -> Condition:
    return Condition(
        key=key,
        wanted=" or ".join(f"'{item}'" for item in wanted),
        seen=f"'{seen}'" if seen else "none",
        holds=holds,
    )


@lru_cache(maxsize=64)
def _changed(changes: Changes, patterns: tuple[str, ...]) -> Condition:
    """Remembered, because all cells of a matrix ask the same of the same paths."""
    wanted = f"a path like {wanted_words(patterns)}"
    if changes.paths is None:
        seen, holds = changes.reason or "unknown, so it counts as changed", True
    else:
        wants = wanted_by(patterns)
        hits = [path for path in changes.paths if wants(path)]
        shown = (hits or list(changes.paths))[:SHOWN_PATHS]
        more = len(hits or changes.paths) - len(shown)
        seen = ", ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "nothing"
        seen, holds = f"{seen} {changes.since}".rstrip(), bool(hits)
    return Condition(
        key="changed", wanted=wanted, seen=seen, holds=holds, base=changes.base, base_reason=changes.reason
    )


def _expression(text: str, evaluation: Evaluation, *, late: bool) -> Condition:
    if not late and any(is_late(name) for name in evaluation.names(text)):
        return Condition(key="if", wanted=text, seen="decided during the run", holds=None)
    value = evaluation.value(text)
    return Condition(key="if", wanted=text, seen="true" if value is True else "false", holds=value is True)
