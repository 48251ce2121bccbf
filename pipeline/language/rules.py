"""Checked values to the rules around stages: matrix, split, caches, groups, triggers, who is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.model.definition import (
    CacheRule,
    ConcurrencyPolicy,
    ConcurrencyRule,
    MatrixRule,
    NotifyRule,
    PullRequestTrigger,
    PushTrigger,
    ScheduleTrigger,
    SplitRule,
    Triggers,
)

MATRIX_KEYS: Final = ("include", "exclude", "fail_fast")
"""Keys of a matrix that are no axes."""

Values = Mapping[str, Any]


def matrix_rule(values: Values | None, exclude: list[Values]) -> MatrixRule | None:
    """A matrix with what is excluded inside and beside it."""
    if not values:
        return None
    return MatrixRule(
        axes={name: tuple(items) for name, items in values.items() if name not in MATRIX_KEYS},
        include=tuple(values.get("include", ())),
        exclude=(*values.get("exclude", ()), *exclude),
        fail_fast=values.get("fail_fast", False),
    )


def split_rule(value: int | Values | None) -> SplitRule | None:
    """How a stage is cut into parts; a number is short for `into`. One part is no cut."""
    if value is None:
        return None
    if isinstance(value, int):
        value = {"into": value}
    if value["into"] == 1:
        return None
    return SplitRule(into=value["into"], by=value.get("by", "timing"), files=tuple(value.get("files", ())))


def cache_rule(values: Values) -> CacheRule:
    """One cache."""
    return CacheRule(key=values["key"], paths=tuple(values["paths"]), fallback=tuple(values.get("fallback", ())))


def concurrency_rule(value: str | Values | None) -> ConcurrencyRule | None:
    """A group; a text is short for its name."""
    if value is None:
        return None
    if isinstance(value, str):
        return ConcurrencyRule(group=str(value))
    return ConcurrencyRule(group=value["group"], policy=ConcurrencyPolicy(value.get("policy", ConcurrencyPolicy.QUEUE)))


def notify_rule(values: Values) -> NotifyRule:
    """Who is told of what."""
    return NotifyRule(on=tuple(values["on"]), to=str(values["to"]))


def triggers(values: Values | None) -> Triggers | None:
    """What starts the pipeline; None where nothing is said. `push:` without more starts for every push."""
    if values is None:
        return None
    push = values.get("push") or {}
    pull_request = values.get("pull_request") or {}
    return Triggers(
        push=PushTrigger(
            branches=tuple(push.get("branches", ())),
            tags=tuple(push.get("tags", ())),
            paths=tuple(push.get("paths", ())),
        )
        if "push" in values
        else None,
        pull_request=PullRequestTrigger(
            branches=tuple(pull_request.get("branches", ())), paths=tuple(pull_request.get("paths", ()))
        )
        if "pull_request" in values
        else None,
        schedule=tuple(
            ScheduleTrigger(cron=item["cron"], timezone=item.get("timezone", "UTC"), branch=item.get("branch", ""))
            for item in values.get("schedule", ())
        ),
    )
