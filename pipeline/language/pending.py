"""Values that are still expressions, taken out of what is built with their places and what they must give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pipeline.diagnostic import Position
from pipeline.language.tree import Span
from pipeline.language.values import Late
from pipeline.model.definition import TypedExpression

Stands = TypeVar("Stands")


class Pending:
    """Collects the expressions of one stage or environment whose values have to be looked at later."""

    def __init__(self, place: Callable[[Span], Position]) -> None:
        self._place = place
        self._found: list[TypedExpression] = []

    @property
    def found(self) -> tuple[TypedExpression, ...]:
        """Those met until now."""
        return tuple(self._found)

    def value(self, value: Any, path: str, stand_in: Stands, read: Callable[[Any], Stands]) -> Stands:
        """What `read` makes of a value; `stand_in` for one that is still an expression, and where there is none."""
        if type(value) is Late:
            self._keep(value, path)
            return stand_in
        return stand_in if value is None else read(value)

    def text(self, value: str, path: str) -> str:
        """A text whose content is looked at later; it stays as written until then."""
        if type(value) is Late:
            self._keep(value, path)
            return str(value)
        return value

    def deep(self, value: Any, path: str) -> Any:
        """A nested value without marks; what is still an expression stays as its text."""
        if type(value) is Late:
            self._keep(value, path)
            return str(value)
        if isinstance(value, Mapping):
            return {key: self.deep(item, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [self.deep(item, f"{path}.{index}") for index, item in enumerate(value)]
        return value

    def _keep(self, value: Late, path: str) -> None:
        place = self._place(value.span)
        self._found.append(TypedExpression(path=path, text=str(value), wanted=value.wanted, position=place))
