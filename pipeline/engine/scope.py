"""What all stages of one run share: the plan, the session, the stores, and how to reach the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine.course import Course
from pipeline.engine.layers import Layers
from pipeline.engine.masking import Masker
from pipeline.errors import UsageError
from pipeline.model.facts import source_facts, stage_facts
from pipeline.model.status import StageState

if TYPE_CHECKING:
    from pipeline.engine.reuse_rules import ReuseRules
    from pipeline.model.definition import EnvironmentDefinition
    from pipeline.model.plan import Plan, PlannedStage
    from pipeline.model.run import StageRun
    from pipeline.model.value import Value
    from pipeline.ports.clock import Clock
    from pipeline.ports.concurrency import Groups
    from pipeline.ports.delivery import Delivery
    from pipeline.ports.executor import Session
    from pipeline.ports.images import Images
    from pipeline.ports.monitoring import Sink
    from pipeline.ports.reuse import ReuseStore
    from pipeline.ports.secrets import Secrets
    from pipeline.ports.stage import StageKind
    from pipeline.ports.storage import Storage
    from pipeline.ports.verification import Verifier
    from pipeline.settings import Settings

    Emit = Callable[[Plan, PlannedStage, bytes], tuple[PlannedStage, ...]]
    """Reads what a stage emitted: the plan until now, the emitter, the text. DefinitionError for what is wrong."""
    Facts = Callable[[frozenset[str]], Mapping[str, Value]]
    Resolve = Callable[[PlannedStage, Facts], PlannedStage]


class StageRuns:
    """The stage runs of a run as they stand. Safe for several threads."""

    def __init__(self, runs: Mapping[str, StageRun]) -> None:
        self._runs = dict(runs)
        self._lock = threading.Lock()

    def get(self, name: str) -> StageRun:
        """The stage run as it is now; KeyError when there is none."""
        with self._lock:
            return self._runs[name]

    def put(self, stage: StageRun) -> StageRun:
        """Keep and give back."""
        with self._lock:
            self._runs[stage.name] = stage
        return stage

    def all(self) -> tuple[StageRun, ...]:
        """In plan order."""
        with self._lock:
            return tuple(self._runs.values())

    def done(self, name: str) -> StageRun:
        """An earlier stage with its products; UsageError when it is unknown or not done."""
        with self._lock:
            stage = self._runs.get(name)
        if stage is None:
            raise UsageError(f"there is no stage '{name}' in this run", hint="correct the name in the pipeline file")
        if stage.state is not StageState.DONE:
            raise UsageError(f"stage '{name}' is not done yet", hint=f"add '{name}' to this stage's needs")
        return stage


@dataclass(frozen=True, kw_only=True, slots=True)
class RunScope:
    """Bound once for a run by the operation that starts it; stages see it through their StageContext."""

    run_id: str
    course: Course
    settings: Settings
    clock: Clock
    session: Session
    storage: Storage
    secrets: Secrets
    kinds: Mapping[str, StageKind]
    images: Callable[[], Images]
    delivery: Callable[[], Delivery]
    verifier: Callable[[], Verifier]
    sinks: Callable[[EnvironmentDefinition], tuple[Sink, ...]]
    number: Callable[[], int]
    resolve: Resolve
    layers: Layers
    runs: StageRuns
    emit: Emit
    groups: Callable[[], Groups]
    reuse: Callable[[], ReuseStore]
    started: frozenset[str] = frozenset()
    """Manual stages that a person has started."""
    begun: Callable[[StageRun], None] = lambda _: None
    """Returns when it is on the disk that this stage, which does something outside, begins."""
    tried: Mapping[str, int] = field(default_factory=dict)
    """Attempts of unfinished stages that count for their retry rule although another process made them."""
    remarks: Mapping[str, str] = field(default_factory=dict)
    """Why a stage that was done runs again, for its log."""
    keep: Callable[[str], None] = lambda _: None
    """Told of each stage that failed, before anything of it is removed."""
    rules: ReuseRules | None = None
    """None: nothing is reused and nothing kept."""
    masker: Masker = field(default_factory=Masker)

    @property
    def plan(self) -> Plan:
        """The plan as it stands."""
        return self.course.plan

    @property
    def folder(self) -> Path:
        """Where this run keeps its logs while it runs."""
        return self.settings.home / "runs" / self.run_id

    def facts(self, names: frozenset[str]) -> Mapping[str, Value]:
        """What expressions see now; asks for the run's number only when `names` wants it."""
        plan = self.plan
        run: dict[str, Value] = {"id": self.run_id}
        if any(name == "run" or name.startswith("run.number") for name in names):
            run["number"] = self.number()
        return {
            **source_facts(plan.event, plan.source, plan.variables),
            "run": run,
            "stages": stage_facts(self.runs.all(), names),
        }
