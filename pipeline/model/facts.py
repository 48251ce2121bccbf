"""What expressions see of a run's event, source and variables, before it runs and while it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipeline.model.run import StageRun
from pipeline.model.source import Event, Source
from pipeline.model.status import Conclusion
from pipeline.model.value import Value

_WORST_FIRST: Final = (
    Conclusion.ERRORED,
    Conclusion.FAILED,
    Conclusion.TIMED_OUT,
    Conclusion.CANCELLED,
    Conclusion.BLOCKED,
    Conclusion.WARNED,
    Conclusion.SUCCEEDED,
    Conclusion.SKIPPED,
)
"""A stage of only skipped cells was skipped."""


def source_facts(event: Event, source: Source, variables: Mapping[str, str]) -> dict[str, Value]:
    """`event`, `branch`, `tag`, `commit`, `changed` and `variables`; unknown changes are an empty list."""
    commit = source.commit
    return {
        "event": event.kind,
        "branch": event.branch,
        "tag": event.tag,
        "commit": {
            "sha": commit.sha,
            "short": commit.short,
            "message": commit.message,
            "author": commit.author,
            "time": commit.time.isoformat(),
        },
        "changed": list(event.changed or ()),
        "variables": dict(variables),
    }


def stage_facts(runs: Iterable[StageRun], names: frozenset[str]) -> dict[str, Value]:
    """`stages`: the conclusion and the outputs of each stage as it is written in the file, of those that `names` asks.

    A stage with a matrix or a split has `cells` with these for each cell, by what stands behind the colon of its name;
    its own conclusion is the worst of theirs once all are done, and its own outputs are empty.
    """
    wanted = {name.split(".")[1].lstrip("?") for name in names if name.startswith("stages.")}
    takes_all = "stages" in names
    if not wanted and not takes_all:
        return {}
    groups: dict[str, list[StageRun]] = {}
    for run in runs:
        written = run.group or run.name
        if takes_all or written in wanted:
            groups.setdefault(written, []).append(run)
    return {written: _stage_fact(written, members) for written, members in groups.items()}


def _stage_fact(written: str, members: Sequence[StageRun]) -> Value:
    if len(members) == 1 and members[0].name == written:
        return _run_fact(members[0])
    ended = [member.conclusion for member in members if member.conclusion is not None]
    worst = min(ended, key=_WORST_FIRST.index) if len(ended) == len(members) else None
    return {
        "conclusion": worst.value if worst else "",
        "outputs": {},
        "cells": {member.name.partition(":")[2]: _run_fact(member) for member in members},
    }


def _run_fact(run: StageRun) -> Value:
    return {
        "conclusion": run.conclusion.value if run.conclusion else "",
        "outputs": dict(run.products.outputs),
    }
