"""What will happen and why, decided before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.model.definition import ConcurrencyRule, EnvironmentDefinition, NotifyRule, StageDefinition
from pipeline.model.source import Event, Source
from pipeline.model.value import Value, digest_of, from_value, to_value


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One condition of `when` with the value it saw: `holds` is None while it is decided only during the run."""

    key: str
    wanted: str
    seen: str
    holds: bool | None
    base: str = ""
    """Of `changed`: the commit that was compared with; "" where none was."""
    base_reason: str = ""
    """Of `changed`: why that one, or why none."""

    @property
    def sentence(self) -> str:
        """What a person reads when the condition said no."""
        return f"when: {self.key} is {self.seen}, wants {self.wanted}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """What is known, before the run, of earlier results of a stage: `run` is the one whose result will serve, or ""
    and `why` says why none does."""

    run: str = ""
    number: int = 0
    """The run's number in this installation; 0 where it ran elsewhere."""
    why: str = ""
    """For people: `no earlier result`, `decided after unit`, `inputs differ from run 12`."""
    differs: tuple[str, ...] = ()
    """Names of the inputs that differ from the newest result; of the source's files, their paths."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStage:
    """A stage with its values resolved, the conditions it was judged by, and its reuse key."""

    stage: StageDefinition
    conditions: tuple[Condition, ...] = ()
    reuse_key: str | None = None
    """Digest of all that the stage can see; None for kinds with outside effects, or when it is known only later."""
    reuse_inputs: Mapping[str, str] | None = None
    """Each input of the key with its own digest, so that a difference can be named."""
    deferred: bool = False
    """Whether a value or a condition depends on what is known only during the run."""
    earlier: Earlier | None = None
    """None where nobody looked, and for stages that are never reused."""

    @property
    def skip(self) -> Condition | None:
        """The first condition that already said no."""
        return next((condition for condition in self.conditions if condition.holds is False), None)

    @property
    def reused(self) -> bool:
        """Whether an earlier result will serve, as far as is known before the run."""
        return self.earlier is not None and bool(self.earlier.run)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The decided run: stages in an order in which every stage comes after its needs."""

    name: str
    pipeline_digest: str
    event: Event
    source: Source
    variables: Mapping[str, str]
    stages: tuple[PlannedStage, ...]
    environments: tuple[EnvironmentDefinition, ...]
    fail_fast: bool = False
    timeout: float | None = None
    concurrency: ConcurrencyRule | None = None
    notify: tuple[NotifyRule, ...] = ()

    @staticmethod
    def from_json(value: Value) -> Plan:
        """The plan that `to_json` gave; ValueError when it is none, with the path of what is wrong."""
        return from_value(Plan, value)

    @property
    def digest(self) -> str:
        """`sha256:…` of all that decides what will happen: neither where the checkout lies on this machine nor what
        earlier runs left does."""
        stages = self.stages
        if any(item.earlier or item.reuse_key for item in stages):
            stages = tuple(replace(item, earlier=None, reuse_key=None, reuse_inputs=None) for item in stages)
        return digest_of(replace(self, source=replace(self.source, path=""), stages=stages))

    def to_json(self) -> Value:
        """The plan as JSON-able values."""
        return to_value(self)
