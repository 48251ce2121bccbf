"""Rows to values: the simple nouns, whose fields are columns of the same name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import sqlalchemy as sa

from pipeline.model.outcome import Outcome

Noun = TypeVar("Noun")

OUTCOME = ("conclusion", "reason", "hint", "effect", "transient")


def plain(thing: Any) -> dict[str, Any]:
    """A dataclass as column values, field by field."""
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


def noun(kind: type[Noun], row: sa.Row[Any], **more: object) -> Noun:
    """A dataclass from the columns that are named as its fields; `more` fills or replaces some."""
    known = dict(row._mapping)
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every noun is a dataclass
    return kind(**({name: known[name] for name in names & known.keys()} | more))


def outcome_values(outcome: Outcome | None) -> dict[str, Any]:
    """An outcome as columns, all null where there is none."""
    return plain(outcome) if outcome is not None else dict.fromkeys(OUTCOME)


def outcome_of(row: sa.Row[Any]) -> Outcome | None:
    """The outcome again."""
    return noun(Outcome, row) if row._mapping["conclusion"] is not None else None
