"""Judges whether an event starts a run, by what the pipeline file says under `triggers`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.model.definition import PullRequestTrigger, PushTrigger, ScheduleTrigger, Triggers
from pipeline.model.globs import matcher
from pipeline.model.plan import Condition
from pipeline.model.source import Changes, Event

_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Triggered:
    """Whether an event starts a run, and the conditions that it was judged by, each with the value it saw."""

    starts: bool
    trigger: str = ""
    """The key of `triggers` that was asked; "" where none had to be."""
    conditions: tuple[Condition, ...] = ()

    @property
    def sentence(self) -> str:
        """Why no run starts, for people; "" where one does."""
        if self.starts:
            return ""
        no = next((item for item in self.conditions if item.holds is False), None)
        if no is None:
            return f"triggers has no {self.trigger}"
        return f"triggers.{self.trigger}: {no.key} is {no.seen}, wants {no.wanted}"


def judge_triggers(triggers: Triggers | None, event: Event, changes: Callable[[], Changes]) -> Triggered:
    """Whether the event starts a run. A manual one always does, and every one where the file has no `triggers`.

    `changes` is asked only where paths matter.
    """
    if triggers is None or event.kind == "manual":
        return Triggered(starts=True)
    conditions: tuple[Condition, ...] | None = None
    if event.kind == "push" and triggers.push is not None:
        conditions = _push(triggers.push, event, changes)
    elif event.kind == "pull_request" and triggers.pull_request is not None:
        conditions = _pull_request(triggers.pull_request, event, changes)
    elif event.kind == "schedule" and triggers.schedule:
        conditions = _schedule(triggers.schedule, event)
    if conditions is None:
        return Triggered(starts=False, trigger=event.kind)
    starts = all(condition.holds for condition in conditions)
    return Triggered(starts=starts, trigger=event.kind, conditions=conditions)


def _push(trigger: PushTrigger, event: Event, changes: Callable[[], Changes]) -> tuple[Condition, ...]:
    """A tag is judged by `tags` alone, a branch by `branches`; where only the other one is written, it says no."""
    if event.tag and not event.branch:
        if trigger.tags or not trigger.branches:
            return _named("tag", event.tag, trigger.tags)
        return (Condition(key="tag", wanted="a branch", seen=f"'{event.tag}'", holds=False),)
    if trigger.tags and not trigger.branches:
        wanted = f"a tag {wanted_words(trigger.tags)}"
        return (
            Condition(key="branch", wanted=wanted, seen=f"'{event.branch}'" if event.branch else "none", holds=False),
        )
    return _named("branch", event.branch, trigger.branches) + _paths(trigger.paths, changes)


def _pull_request(trigger: PullRequestTrigger, event: Event, changes: Callable[[], Changes]) -> tuple[Condition, ...]:
    named = _named("target branch", event.target, trigger.branches)
    if trigger.branches and not event.target:
        seen = "not known here, so it counts as wanted"
        named = (Condition(key="target branch", wanted=wanted_words(trigger.branches), seen=seen, holds=True),)
    return named + _paths(trigger.paths, changes)


def _schedule(triggers: Sequence[ScheduleTrigger], event: Event) -> tuple[Condition, ...]:
    """The branch of one of the schedules; one without a branch takes any."""
    branches = tuple(dict.fromkeys(trigger.branch for trigger in triggers))
    return () if "" in branches else _named("branch", event.branch, branches)


def _named(key: str, seen: str, patterns: Sequence[str]) -> tuple[Condition, ...]:
    if not patterns:
        return ()
    holds = bool(seen) and wanted_by(patterns)(seen)
    return (Condition(key=key, wanted=wanted_words(patterns), seen=f"'{seen}'" if seen else "none", holds=holds),)


def _paths(patterns: Sequence[str], changes: Callable[[], Changes]) -> tuple[Condition, ...]:
    if not patterns:
        return ()
    found = changes()
    facts = {"base": found.base, "base_reason": found.reason}
    wanted = f"a changed path like {wanted_words(patterns)}"
    if found.paths is None:
        return (Condition(key="paths", wanted=wanted, seen=f"unknown: {found.reason}", holds=True, **facts),)
    wants = wanted_by(patterns)
    hits = [path for path in found.paths if wants(path)]
    shown = (hits or list(found.paths))[:_SHOWN]
    more = len(hits or found.paths) - len(shown)
    seen = ", ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "nothing"
    return (Condition(key="paths", wanted=wanted, seen=f"{seen} {found.since}", holds=bool(hits), **facts),)


def wanted_by(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a name matches one of the globs and none of those behind a `!`; with only such ones, all others match."""
    positive = [pattern for pattern in patterns if not pattern.startswith("!")]
    wants = matcher(positive) if positive else lambda _name: True
    unwanted = matcher([pattern[1:] for pattern in patterns if pattern.startswith("!")])
    return lambda name: wants(name) and not unwanted(name)


def wanted_words(patterns: Sequence[str]) -> str:
    """The patterns for people: `'src/**' but not 'src/doc/**'`."""
    positive = " or ".join(f"'{pattern}'" for pattern in patterns if not pattern.startswith("!"))
    negative = " or ".join(f"'{pattern[1:]}'" for pattern in patterns if pattern.startswith("!"))
    return " but not ".join(part for part in (positive or "any", negative) if part)
