"""A real StageContext for the test of one stage kind: the engine's own, over a workspace in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from pipeline.diagnostic import Position
from pipeline.engine.context import AttemptContext
from pipeline.engine.course import Course
from pipeline.engine.layers import Layers
from pipeline.engine.masking import Masker
from pipeline.engine.scope import RunScope, StageRuns
from pipeline.engine.stage_log import AttemptLog
from pipeline.errors import UsageError
from pipeline.executors.scripted import ScriptedExecutor, ScriptedSession
from pipeline.model.definition import Definition, Need, StageDefinition
from pipeline.model.identity import RunIdentity
from pipeline.model.outcome import succeeded
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.run import Attempt, Products, StageRun
from pipeline.model.source import Event, Source
from pipeline.model.status import StageState
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.images import Images
from pipeline.settings import Settings
from pipeline.verification.verifier import ProbingVerifier

RUN = "01jdw3r6y1s0a0a0a0a0a0a0a0"


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Known:
    """Secrets that a test names."""

    values: Mapping[str, str]

    def get(self, name: str, *, environment: str = "") -> str | None:
        return self.values.get(name)


def stage(name: str, kind: str, *, needs: tuple[str, ...] = (), **options: Value) -> StageDefinition:
    """A stage of the file's line 1."""
    return StageDefinition(
        name=name,
        kind=kind,
        position=Position(file="pipeline.yml", line=1, column=1),
        needs=tuple(Need(stage=need) for need in needs),
        options=options,
    )


def definition(*stages: StageDefinition) -> Definition:
    """A pipeline of these stages."""
    return Definition(name="shop", file="pipeline.yml", digest="sha256:0", stages=stages)


class Workbench:
    """One stage in a run of its own: `context` is what the kind gets; `files` and `log` are what it left."""

    def __init__(
        self,
        home: Path,
        source: Source,
        own: StageDefinition,
        *,
        before: Mapping[str, tuple[StageDefinition, Products]] = MappingProxyType({}),
        branch: str = "main",
        images: Images | None = None,
        secrets: Mapping[str, str] = MappingProxyType({}),
        settings: Settings | None = None,
        event: Event | None = None,
    ) -> None:
        stages = (*(definition for definition, _ in before.values()), own)
        self.settings = settings or Settings(home=home)
        self.cancel = Cancellation()
        self.session: ScriptedSession = ScriptedExecutor().session(
            RunIdentity(installation=self.settings.installation, run=RUN)
        )
        self.masker = Masker()
        self.written = bytearray()
        self._lock = threading.Lock()
        runs = {name: _done(definition, products) for name, (definition, products) in before.items()}

        def there_are_none() -> Images:
            if images is None:
                raise UsageError("this workbench has no engine")
            return images

        def nothing(*_: object) -> object:
            raise UsageError("this workbench has no such part")

        scope = RunScope(
            run_id=RUN,
            course=Course(
                Plan(
                    name="shop",
                    pipeline_digest="sha256:0",
                    event=event or Event(kind="push", branch=branch),
                    source=source,
                    variables={},
                    stages=tuple(PlannedStage(stage=item) for item in stages),
                    environments=(),
                )
            ),
            settings=self.settings,
            clock=SystemClock(),
            session=self.session,
            storage=nothing,  # type: ignore[arg-type]
            secrets=Known(secrets),
            kinds={},
            images=there_are_none,
            delivery=nothing,  # type: ignore[arg-type]
            verifier=lambda: ProbingVerifier(self.settings, clock=SystemClock()),
            sinks=nothing,  # type: ignore[arg-type]
            number=lambda: 1,
            resolve=nothing,  # type: ignore[arg-type]
            layers=Layers(stages),
            runs=StageRuns(runs),
            emit=nothing,  # type: ignore[arg-type]
            groups=nothing,  # type: ignore[arg-type]
            reuse=nothing,  # type: ignore[arg-type]
            masker=self.masker,
        )
        log = AttemptLog(home / "runs" / f"{own.name}.log", masker=self.masker, follower=self._follow, limit=10 << 20)
        self.context = AttemptContext(
            scope, own, attempt=1, log=log, cancel=self.cancel, running=lambda: None, collecting=lambda: None
        )
        self._own = own

    @property
    def files(self) -> Mapping[str, bytes]:
        """The regular files of the stage's layer."""
        layer = self.session.workspace.layer(f"{self._own.name}.1")
        return {path: content for path, content in layer.items() if content is not None}

    @property
    def log(self) -> str:
        """What the stage wrote into its log."""
        self.context.log.flush()
        return self.written.decode()

    def source_files(self, files: Mapping[str, bytes]) -> None:
        """Files that the workspace already holds."""
        self.session.workspace.write(f"{self._own.name}.1", dict(files))

    def _follow(self, block: bytes) -> None:
        with self._lock:
            self.written += block


def _done(definition: StageDefinition, products: Products) -> StageRun:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    attempt = Attempt(number=1, started=now, finished=now, outcome=succeeded(), products=products)
    run = StageRun(name=definition.name, kind=definition.kind, attempts=(attempt,))
    return replace(run, state=StageState.DONE, outcome=succeeded(), started=now, finished=now)
