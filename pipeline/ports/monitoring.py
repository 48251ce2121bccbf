"""Telling supervision: each check result goes to every sink of an environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.errors import MonitoringError


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """A smoke or verification result for operators. `level` is ok | warning | critical | unknown."""

    environment: str
    service: str
    """Pipeline name."""
    check: str
    level: str
    message: str
    seconds: float
    time: datetime
    release: str = ""
    run: str = ""


class Sink(Protocol):
    """One supervision server. Errors that may leave: MonitoringError."""

    @property
    def name(self) -> str:
        """For messages, e.g. `pushgateway http://push:9091`."""

    def publish(self, results: tuple[CheckResult, ...]) -> None:
        """Hand over; returns once the server took them."""


def tell(sinks: Sequence[Sink], results: tuple[CheckResult, ...], *, say: Callable[[str], None]) -> None:
    """Each result to every sink; one that fails is said and changes nothing."""
    for sink in sinks:
        try:
            sink.publish(results)
        except MonitoringError as error:
            say(f"not told: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        else:
            say(f"{sink.name} was told {len(results)} results")
