"""Review environments: one that is written once becomes one for each pull request or branch, named after it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from pipeline.model.definition import Definition, EnvironmentDefinition, ReviewSource, StageDefinition
from pipeline.model.source import Event

LONGEST: Final = 40
"""Characters of the part that is made from a branch; containers and hosts are named after it."""


def with_reviews(definition: Definition, event: Event, *, protected: Sequence[str]) -> Definition:
    """The definition as this event has it: stages that deploy to a written review environment go to this event's own,
    and are skipped for events that have none. `protected` are the branches (globs) that are not reviewed."""
    own = {item.name: review_of(item, event, protected=protected) for item in definition.environments if item.review}
    if not own:
        return definition
    return replace(
        definition,
        environments=tuple(own.get(item.name, item) for item in definition.environments),
        stages=tuple(_stage(stage, own, event.kind, protected) for stage in definition.stages),
    )


def review_of(environment: EnvironmentDefinition, event: Event, *, protected: Sequence[str]) -> EnvironmentDefinition:
    """This event's environment; where it has none the written one, into which nothing is promoted."""
    name = _name(environment, event, protected)
    if not name:
        return replace(environment, unfounded=f"a run makes one of it for each {_noun(environment)}")
    return replace(environment, name=name, instance_of=environment.name)


def slug(text: str) -> str:
    """Lower-case letters, digits and `-`; what had to be changed keeps apart by a digest."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if plain == text and len(plain) <= LONGEST:
        return plain
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{plain[: LONGEST - 7].strip('-')}-{digest}".lstrip("-")


def _name(environment: EnvironmentDefinition, event: Event, protected: Sequence[str]) -> str:
    rule = environment.review
    proposed = event.kind == "pull_request"
    if rule is None or proposed is not (rule.source is ReviewSource.PULL_REQUEST):
        return ""
    if proposed:
        return f"{environment.name}-{slug(event.proposal or event.branch)}" if event.proposal or event.branch else ""
    if not event.branch or any(fnmatchcase(event.branch, pattern) for pattern in protected):
        return ""
    return f"{environment.name}-{slug(event.branch)}"


def _noun(environment: EnvironmentDefinition) -> str:
    return environment.review.source.value.replace("_", " ") if environment.review else "run"


def _stage(
    stage: StageDefinition, own: dict[str, EnvironmentDefinition], kind: str, protected: Sequence[str]
) -> StageDefinition:
    environment = own.get(str(stage.options.get("environment", "")))
    if environment is None or environment.review is None:
        return stage
    if environment.instance_of:
        when = stage.when
        if environment.review.source is ReviewSource.PULL_REQUEST and not when.event:
            when = replace(when, event=("pull_request",))
        return replace(stage, when=when, options={**stage.options, "environment": environment.name})
    if environment.review.source is ReviewSource.PULL_REQUEST and kind != "pull_request":
        return replace(stage, when=replace(stage.when, event=("pull_request",)))
    # no branch has a name with blanks in it, so nothing fits: the words are for people
    others = ", ".join(protected)
    return replace(stage, when=replace(stage.when, branch=(f"any but {others}" if others else "some branch",)))
