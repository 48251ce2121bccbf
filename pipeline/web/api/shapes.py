"""The nouns of the model as the API's schema describes them, made from their dataclasses."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from pipeline.model.finding import Finding
from pipeline.model.outcome import Outcome
from pipeline.model.release import Measurement
from pipeline.model.report import CoverageReport, TestReport

_NAMED: Mapping[str, Any] = {
    "Sequence": Sequence,
    "Mapping": Mapping,
    "Value": Any,
    "Finding": Finding,
    "Outcome": Outcome,
    "Measurement": Measurement,
    "CoverageReport": CoverageReport,
    "TestReport": TestReport,
}
"""What modules of the model name without importing it at run time."""


class Shape(BaseModel):
    """What every answer of the API is described by."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


@cache
def shape_of(kind: type) -> type[Shape]:
    """The schema of a dataclass as `pipeline.model.value.to_value` spells it; its docstring is the description.

    A field `_private` or a property is not part of it.
    """
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is no dataclass")
    hints = get_type_hints(kind, localns={**_NAMED, **vars(sys.modules[kind.__module__])})
    described: dict[str, Any] = {}
    for field in fields(kind):
        needed = field.default is MISSING and field.default_factory is MISSING
        described[field.name] = (_spelled(hints[field.name]), Field(...) if needed else Field(default=None))
    return create_model(kind.__name__, __base__=Shape, __doc__=inspect.getdoc(kind), **described)


@cache
def page_of(kind: type) -> type[Shape]:
    """A page of a list: its items, and the cursor of the next page, null on the last."""
    return create_model(
        f"{kind.__name__}Page",
        __base__=Shape,
        items=(list[shape_of(kind)], Field(...)),  # type: ignore[misc,arg-type]  # the type is made at run time
        next=(str | None, Field(default=None, description="give it as `cursor`; null on the last page")),
    )


def _spelled(hint: Any) -> Any:
    """A type hint with its dataclasses replaced by their shapes."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return Union[tuple(_spelled(item) for item in get_args(hint))]  # noqa: UP007  # made at run time
    if isinstance(hint, type) and is_dataclass(hint):
        return shape_of(hint)
    if origin is not None and isinstance(origin, type):
        inner = [item for item in get_args(hint) if item is not Ellipsis]
        if issubclass(origin, Mapping):
            return dict[str, _spelled(inner[1])]  # type: ignore[misc]
        return list[_spelled(inner[0])]  # type: ignore[misc]
    if isinstance(hint, type) and issubclass(hint, (Enum, str, bool, int, float, datetime, date)):
        return hint
    return str if hint is bytes else Any
