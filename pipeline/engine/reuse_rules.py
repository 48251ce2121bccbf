"""What one run may read of earlier ones, and what it may leave to later ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.ports.reuse import Identify, ReuseStore, StageKeys


@dataclass(frozen=True, kw_only=True, slots=True)
class ReuseRules:
    """Bound once for a run, by whoever made its plan."""

    store: ReuseStore
    keys: StageKeys
    """Those of the plan's stages were taken when the plan was made."""
    identify: Identify
    repository: str
    installation: str
    executor: str
    reads: Sequence[str]
    writes: str
    fresh: Callable[[str], bool]
    """Whether a stage is to run whatever there is, and its result to replace an earlier one."""
    unchanged: Callable[[], bool]
    """Whether the source still is what the keys were computed from; asked once the checkout is done."""
