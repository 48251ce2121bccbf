"""A promoter that dies at a chosen step: records and targets that pass each call on, until they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import LeaseLostError

WRITES = frozenset(
    {
        "save_release",
        "save_promotion",
        "save_block",
        "note",
        "take_lease",
        "release_lease",
        "roll_out",
        "shift",
        "confirm",
        "roll_back",
    }
)
"""Calls that leave something behind; dying at any other is the same as dying at the next of these."""


class KilledError(BaseException):
    """`kill -9`: nothing of the promoter can catch it, and nothing that it does afterwards has any effect."""


@dataclass
class Fault:
    """Dies (or fails with `error`) at the step `at`, counted from 1: before the call, or after it had its effect."""

    at: int = 0
    after: bool = False
    error: Exception | None = None
    steps: list[str] = field(default_factory=list)
    dead: bool = False

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        if self.dead and name == "renew_lease":
            raise LeaseLostError("nobody beats any more")  # ends the heartbeat's thread, as a kill would
        if self.dead:
            raise KilledError
        if name not in WRITES:
            return call()
        self.steps.append(name)
        here = len(self.steps) == self.at
        if here and not self.after:
            self._strike()
        result = call()
        if here and self.after:
            self._strike()
        return result

    def _strike(self) -> None:
        if self.error is not None:
            raise self.error
        self.dead = True
        raise KilledError


class Watched:
    """Anything with methods, each of whose calls goes through the fault."""

    def __init__(self, inner: Any, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        return lambda *words, **more: self._fault.around(name, lambda: found(*words, **more))
