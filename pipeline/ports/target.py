"""Where a release lives: a target is observed, rolled out to, confirmed or rolled back; free of Docker's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.ports.cancellation import Cancellation


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One thing that runs a release: its image by digest, whether it serves (gets the environment's traffic)."""

    name: str
    image: str
    """`repository@sha256:…` as deployed."""
    release: str
    promotion: str
    serving: bool
    healthy: bool | None
    """None where the image says nothing about health."""
    started: datetime | None = None
    addresses: tuple[str, ...] = ()
    """Where it can be reached from the runner, `host:port`."""
    share: int | None = None
    """Percent of the environment's traffic that its version gets; None where the target cannot say."""
    place: str = ""
    """The node or engine that it runs on, where there are several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What runs now, as the target itself says."""

    instances: tuple[Instance, ...]

    @property
    def serving(self) -> tuple[Instance, ...]:
        """Those that get traffic."""
        return tuple(item for item in self.instances if item.serving)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """An order to bring a release in. `images` maps names to pinned references; `image` is the one to run."""

    environment: str
    release: str
    promotion: str
    image: str
    configuration: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 120.0
    strategy: Strategy | None = None
    """None: as the target does it by itself."""
    fence: int = 0
    """Token of the environment's lease; a target that can, refuses an order with a smaller one than it has seen.
    0: the caller holds no lease, and nothing is refused for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutResult:
    """How a rollout went, with what the target says afterwards. `gap`: seconds without anybody serving."""

    succeeded: bool
    reason: str
    observed: Observed
    gap: float | None = None


Progress = Callable[[str], None]


class Target(Protocol):
    """One environment's place. One promotion at a time; the caller holds the environment's lock.

    Each call that changes something takes the `fence` of the caller's lease, as a Rollout does. Errors that may leave:
    TargetError, EngineUnreachableError, ImageNotFoundError, RegistryError and kin.
    """

    def observe(self) -> Observed:
        """What runs now."""

    @property
    def strategies(self) -> frozenset[StrategyKind]:
        """Those that it can do as it is configured; an order with another is a TargetError before anything moves."""

    def roll_out(self, order: Rollout, *, progress: Progress, cancel: Cancellation) -> RolloutResult:
        """Start the new beside the old, await its health, hand traffic over; the old one is kept.

        A canary ends with the share of its first step, and `shift` brings the others. When it fails, the old one
        serves as before, and the result says why (with the tail of the new one's log). Idempotent by promotion id.
        """

    def shift(
        self, promotion: str, share: int, *, progress: Progress, cancel: Cancellation, fence: int = 0
    ) -> RolloutResult:
        """Give the new version of a canary this share (percent) of the traffic. Idempotent; 100 leaves the old one
        running without traffic until `confirm`. TargetError where the target has no canary under way."""

    def confirm(self, promotion: str, *, progress: Progress, fence: int = 0) -> Observed:
        """The new one is verified: remove what it replaced."""

    def roll_back(self, promotion: str, *, progress: Progress, fence: int = 0) -> RolloutResult:
        """Give traffic back to what this promotion replaced and remove the new one. Where nothing of it is there, what
        it had stopped serves again."""

    def command(self, command: tuple[str, ...], *, timeout: float) -> tuple[int, str]:
        """Run a command in a serving instance: exit code and output (at most 64 KiB)."""

    def logs(self, promotion: str, *, since: datetime | None, limit: int) -> Mapping[str, bytes]:
        """What each instance of a promotion has written since then (None: since it started), by the instance's name;
        of each the newest `limit` bytes. Empty where nothing of the promotion is there."""

    def remove(self) -> None:
        """Take everything of this environment away."""
