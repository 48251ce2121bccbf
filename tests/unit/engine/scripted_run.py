"""A run over the scripted executor: everything real but the containers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.diagnostic import Position
from pipeline.engine.announcer import Announcer
from pipeline.engine.course import Course
from pipeline.engine.layers import Layers
from pipeline.engine.runner import Runner
from pipeline.engine.scope import RunScope, StageRuns
from pipeline.errors import UsageError
from pipeline.executors.scripted import ScriptedExecutor
from pipeline.model.definition import ConcurrencyRule, Need, StageDefinition
from pipeline.model.identity import RunIdentity
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.delivery import Delivery
from pipeline.ports.images import Images
from pipeline.ports.verification import Verifier
from pipeline.secrets.provided import provided_secrets
from pipeline.settings import Settings
from pipeline.storage.directory import DirectoryStorage
from pipeline.storage.groups import FileGroups
from pipeline.storage.objects import FolderObjects
from pipeline.storage.reuse import ObjectReuse
from stages.run import KIND as RUN
from stages.test import KIND as TEST

MOMENT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FixedClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return MOMENT

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Watcher:
    """Notes what an observer is told."""

    moves: list[tuple[str, StageState]] = field(default_factory=list)
    run_moves: list[tuple[RunState, str]] = field(default_factory=list)
    attempts: list[tuple[str, int, str]] = field(default_factory=list)
    text: dict[str, bytes] = field(default_factory=dict)
    on_output: Callable[[str, bytes], None] = lambda _stage, _text: None

    def run_started(self, run: Run, plan: Plan) -> None: ...

    def run_numbered(self, run: Run) -> None: ...

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        self.run_moves.append((state, why))

    def run_noted(self, run: str, text: str) -> None: ...

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        self.moves.append((stage.name, state))

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        self.text[stage] = self.text.get(stage, b"") + text
        self.on_output(stage, text)

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        self.attempts.append((stage.name, attempt.number, attempt.outcome.reason if attempt.outcome else ""))

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        self.moves.append((stage.name, StageState.DONE))

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None: ...

    def stage_parked(self, run: str, stage: StageRun) -> None:
        self.moves.append((stage.name, StageState.WAITING))

    def run_finished(self, run: Run) -> None: ...


@dataclass
class Played:
    """A finished run."""

    conclusion: Conclusion | None
    runs: StageRuns
    watcher: Watcher
    executor: ScriptedExecutor
    storage: DirectoryStorage

    def outcome(self, stage: str) -> tuple[str, str]:
        outcome = self.runs.get(stage).outcome
        assert outcome is not None
        return outcome.conclusion.value, outcome.reason

    def log(self, stage: str, attempt: int = 1) -> bytes:
        with self.storage.open(self.runs.get(stage).attempts[attempt - 1].log) as content:
            return content.read()


def stage(name: str, *needs: str, kind: str = "run", **more: object) -> StageDefinition:
    """A stage of a made-up file."""
    given = {"image": "busybox:1", "commands": ("true",), "needs": tuple(Need(stage=need) for need in needs), **more}
    return StageDefinition(
        name=name,
        kind=kind,
        position=Position(file="pipeline.yml", line=1, column=1),
        **given,  # type: ignore[arg-type]  # a table of keywords
    )


def plan_of(stages: tuple[StageDefinition, ...], *, fail_fast: bool = False) -> Plan:
    """A plan without conditions."""
    commit = Commit(sha="4f1c0de" * 5, message="m", author="a <a@example.org>", time=MOMENT)
    return Plan(
        name="made-up",
        pipeline_digest="sha256:0",
        event=Event(kind="push", branch="main"),
        source=Source(path="/nowhere", origin="", commit=commit),
        variables={},
        stages=tuple(PlannedStage(stage=item) for item in stages),
        environments=(),
        fail_fast=fail_fast,
    )


Play = Callable[..., Played]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run stages to their end; `settings` are keywords of Settings, `secrets` values by name."""

    def run(
        *stages: StageDefinition,
        script: object = None,
        parallel: int = 4,
        fail_fast: bool = False,
        cancel: Cancellation | None = None,
        secrets: Mapping[str, str] | None = None,
        watcher: Watcher | None = None,
        started: frozenset[str] = frozenset(),
        concurrency: ConcurrencyRule | None = None,
        event: Event | None = None,
        **settings: object,
    ) -> Played:
        made = Settings(home=tmp_path / "home", **settings)  # type: ignore[arg-type]  # a table of keywords
        decided = plan_of(stages, fail_fast=fail_fast)
        decided = replace(decided, concurrency=concurrency, event=event or decided.event)
        executor = ScriptedExecutor(script or {})  # type: ignore[arg-type]  # both forms of a script
        session = executor.session(RunIdentity(installation="1" * 32, run="01run"))
        storage = DirectoryStorage(tmp_path / "storage")
        reuse = ObjectReuse(FolderObjects(tmp_path / "reuse"), storage)
        watcher = watcher or Watcher()
        runs = StageRuns({item.name: StageRun(name=item.name, kind=item.kind) for item in stages})
        scope = RunScope(
            run_id="01run",
            course=Course(decided),
            settings=made,
            clock=FixedClock(),
            session=session,
            storage=storage,
            secrets=provided_secrets(tmp_path, _as_variables(secrets or {})),
            kinds={"run": RUN, "test": TEST},
            images=_no_images,
            delivery=_no_delivery,
            verifier=_no_verifier,
            sinks=lambda _environment: (),
            number=lambda: 1,
            resolve=lambda planned, _facts: planned,
            layers=Layers(stages),
            runs=runs,
            emit=lambda _plan, _planned, _text: (),
            reuse=lambda: reuse,
            started=started,
            groups=lambda: FileGroups(tmp_path / "groups"),
        )
        runner = Runner(scope, Announcer((watcher,)), cancel=cancel or Cancellation(), parallel=parallel)
        return Played(conclusion=runner.run(), runs=runs, watcher=watcher, executor=executor, storage=storage)

    return run


def _as_variables(secrets: Mapping[str, str]) -> Mapping[str, str]:
    return {f"ECLUSE_SECRET_{name}": value for name, value in secrets.items()}


def _no_images() -> Images:
    raise UsageError("no engine here")


def _no_verifier() -> Verifier:
    raise UsageError("no checks here")


def _no_delivery() -> Delivery:
    raise UsageError("no environments here")
