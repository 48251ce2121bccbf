"""How a new version takes over from the old one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StrategyKind(StrEnum):
    """The old one ends first; one after the other; all at once beside it; a growing share of the traffic."""

    RECREATE = "recreate"
    ROLLING = "rolling"
    BLUE_GREEN = "blue_green"
    CANARY = "canary"


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy:
    """`batch` instances at a time with `pause` seconds between (rolling), or `steps` in percent of the traffic with
    `pause` seconds and a verification between (canary; the last step is 100)."""

    kind: StrategyKind
    batch: int = 1
    pause: float = 0.0
    steps: tuple[int, ...] = ()
