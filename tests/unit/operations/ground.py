"""What the operations stand on in these tests: real records, a real storage, a pretended engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prepared import prepared_records

from pipeline.diagnostic import Position
from pipeline.errors import UsageError
from pipeline.executors.scripted import ScriptedExecutor
from pipeline.model.container import ContainerSpec
from pipeline.model.definition import EnvironmentDefinition, Need, StageDefinition
from pipeline.model.identity import RunIdentity
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.run import Attempt, Run, Runner, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import RunState, StageState
from pipeline.model.ulid import ulid
from pipeline.operations.runner_process import this_process
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Executor
from pipeline.ports.records import Records
from pipeline.ports.reuse import ReuseStore
from pipeline.ports.storage import Storage
from pipeline.ports.target import Target
from pipeline.records.sql import SqlRecords
from pipeline.settings import Settings
from pipeline.storage.directory import DirectoryStorage
from pipeline.storage.objects import FolderObjects
from pipeline.storage.reuse import ObjectReuse
from pipeline.targets.scripted import Place, ScriptedTarget

NOW = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
DEV = EnvironmentDefinition(name="dev", position=Position(file="pipeline.yml", line=1, column=1))


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = NOW
        self.passed = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.passed


class Silence:
    """Output that nobody reads."""

    def write(self, stream: object, chunk: bytes) -> None: ...

    def note(self, line: str) -> None: ...

    def starting(self) -> None: ...

    def service(self, name: str) -> Silence:
        return self

    def replaying(self) -> None: ...

    def replayed(self, stream: object, lines: bytes, moment: datetime) -> None: ...


@dataclass
class Ground:
    """An application whose engine and target are scripted; everything else is real."""

    home: Path
    executors: dict[str, ScriptedExecutor] = field(default_factory=lambda: {"scripted": ScriptedExecutor()})
    place: Place = field(default_factory=Place)
    clock: Clock = field(default_factory=Clock)
    environment: Mapping[str, str] = field(default_factory=dict)
    executor_name: str = "docker"

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.home)
        self.records: Records = SqlRecords(prepared_records(self.home))
        self.storage: Storage = DirectoryStorage(self.home / "storage")
        self.reuse: ReuseStore = ObjectReuse(FolderObjects(self.home / "reuse"), self.storage)

    def executor(self, name: str) -> Executor:
        if name not in self.executors:
            raise UsageError(f"there is no executor '{name}'")
        return self.executors[name]

    def target(self, environment: EnvironmentDefinition, *, service: str) -> Target:
        return ScriptedTarget(environment, self.settings, place=self.place)

    def begin(
        self,
        *,
        age: timedelta = timedelta(minutes=1),
        runner: Runner | None = None,
        stages: tuple[StageRun, ...] = (),
        branch: str = "main",
    ) -> Run:
        """A recorded run that began so long ago, run by this process unless another is named."""
        created = self.clock.now() - age
        plan = plan_of(tuple((stage.name, ()) for stage in stages))
        run = Run(
            id=ulid(created, os.urandom(10)),
            number=0,
            repository="shop",
            pipeline="shop",
            commit="4f1c0de",
            message="",
            author="",
            branch=branch,
            tag="",
            event="push",
            actor="anna",
            dirty=False,
            plan_digest="",
            state=RunState.RUNNING,
            created=created,
            executor=self.executor_name,
            stages=stages,
            runner=runner or this_process(),
        )
        number = self.records.create_run(run, plan)
        return replace(run, number=number)

    def leave_container(self, run: str) -> None:
        """A container of that run on the pretended engine, whose session is never closed."""
        executor = self.executors["scripted"]
        session = executor.session(RunIdentity(installation=self.settings.installation, run=run))
        spec = ContainerSpec(stage="unit", attempt=1, step="main", image="busybox:1")
        session.execute(spec, output=Silence(), cancel=Cancellation())


def plan_of(stages: tuple[tuple[str, tuple[str, ...]], ...], *, skipped: tuple[str, ...] = ()) -> Plan:
    """A plan of (name, needs)."""
    from pipeline.model.plan import Condition

    no = Condition(key="branch", wanted="'main'", seen="'x'", holds=False)
    return Plan(
        name="shop",
        pipeline_digest="sha256:1",
        event=Event(kind="push", branch="main"),
        source=Source(path="p", origin="shop", commit=Commit(sha="4f1c0de", message="", author="", time=NOW)),
        variables={},
        stages=tuple(
            PlannedStage(
                stage=StageDefinition(
                    name=name, kind="run", position=DEV.position, needs=tuple(Need(stage=need) for need in needs)
                ),
                conditions=(no,) if name in skipped else (),
            )
            for name, needs in stages
        ),
        environments=(DEV,),
    )


def gone() -> Runner:
    """A runner of this host and boot whose process has ended."""
    return replace(this_process(), started_ticks=this_process().started_ticks - 1)


def running(name: str, *attempts: Attempt) -> StageRun:
    """A stage that runs."""
    return StageRun(name=name, kind="run", state=StageState.RUNNING, started=NOW, attempts=attempts)
