"""One scan stage in a run of its own on the real engine: the engine's own context over a real session."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.diagnostic import Position
from pipeline.engine.context import AttemptContext
from pipeline.engine.course import Course
from pipeline.engine.layers import Layers
from pipeline.engine.scope import RunScope, StageRuns
from pipeline.engine.stage_log import AttemptLog
from pipeline.errors import UsageError
from pipeline.executors.docker.executor import DockerExecutor
from pipeline.executors.docker.images import DockerImages
from pipeline.model.container import Stream
from pipeline.model.definition import Need, StageDefinition
from pipeline.model.identity import RunIdentity
from pipeline.model.outcome import succeeded
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.run import Attempt, BuiltImage, Products, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import StageState
from pipeline.model.value import Value
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Session
from pipeline.ports.images import BuildSpec
from pipeline.ports.stage import StageResult
from pipeline.settings import Settings
from pipeline.storage.directory import DirectoryStorage
from stages.scan import KIND

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Silence:
    """Takes the log of a build that a test makes."""

    def write(self, stream: Stream, chunk: bytes) -> None:
        pass


def tar(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def build_image(settings: Settings, reference: str, files: Mapping[str, bytes]) -> BuiltImage:
    """Build an image from these files on the engine."""
    build = DockerImages(settings).build(
        io.BytesIO(tar(files)), BuildSpec(reference=reference), output=Silence(), cancel=Cancellation()
    )
    assert build.image, build.failure
    return build.image


class ScanBench:
    """`scan(…)` runs the kind once and leaves `result`, `log` and the artifacts."""

    def __init__(self, settings: Settings, *, run: str) -> None:
        self.settings = settings
        self.storage = DirectoryStorage(settings.home / "objects")
        self.cancel = Cancellation()
        self._run = run
        self._written = bytearray()
        self._lock = threading.Lock()

    def scan(
        self,
        image: BuiltImage | None,
        source: Mapping[str, bytes],
        *,
        build: Mapping[str, Value] | None = None,
        **options: Value,
    ) -> StageResult:
        """Scan an image that an earlier stage `image` built, in a workspace with these files."""
        with self.opened(image, source, build=build, **options) as context:
            self.result = KIND.run(context)
            self.left = tuple(file.path for file in context.read_workspace(("**",)))
            return self.result

    @contextmanager
    def opened(
        self,
        image: BuiltImage | None,
        source: Mapping[str, bytes],
        *,
        build: Mapping[str, Value] | None = None,
        **options: Value,
    ) -> Iterator[AttemptContext]:
        """The stage's context; everything of it is removed from the engine at the end."""
        position = Position(file="pipeline.yml", line=1, column=1)
        built = StageDefinition(name="image", kind="build", position=position, options=build or {})
        own = StageDefinition(
            name="scan",
            kind="scan",
            position=position,
            needs=(Need(stage="image"),),
            options={"of": "image", **options} if image else options,
        )
        session = DockerExecutor(self.settings).open(
            RunIdentity(installation=self.settings.installation, run=self._run), lanes=1
        )
        layers = Layers((built, own))
        try:
            if source:
                session.workspace.fill(layers.own("image", 1), io.BytesIO(tar(source)))
                layers.written("image", 1)
            context = self._context(session, layers, built, own, image)
            yield context
            context.log.flush()
        finally:
            session.close()

    @property
    def log(self) -> str:
        """What the stage wrote."""
        with self._lock:
            return self._written.decode()

    def artifact(self, name: str) -> bytes:
        """The content of an artifact of the last scan."""
        (found,) = (item for item in self.result.products.artifacts if item.name == name)
        with self.storage.open(found.digest) as content:
            return content.read()

    def _context(
        self,
        session: Session,
        layers: Layers,
        built: StageDefinition,
        own: StageDefinition,
        image: BuiltImage | None,
    ) -> AttemptContext:
        attempt = Attempt(number=1, started=NOW, finished=NOW, outcome=succeeded(), products=Products(image=image))
        done = StageRun(name="image", kind="build", state=StageState.DONE, outcome=succeeded(), attempts=(attempt,))

        def nothing(*_: object) -> object:
            raise UsageError("this bench has no such part")

        commit = Commit(sha="0" * 40, message="m", author="a", time=NOW)
        plan = Plan(
            name="shop",
            pipeline_digest="sha256:0",
            event=Event(kind="push", branch="main"),
            source=Source(path=str(self.settings.home), origin="", commit=commit),
            variables={},
            stages=(PlannedStage(stage=built), PlannedStage(stage=own)),
            environments=(),
        )
        scope = RunScope(
            run_id=self._run,
            course=Course(plan),
            settings=self.settings,
            clock=SystemClock(),
            session=session,
            storage=self.storage,
            secrets=nothing,  # type: ignore[arg-type]
            kinds={"scan": KIND},
            images=lambda: DockerImages(self.settings),
            delivery=nothing,  # type: ignore[arg-type]
            verifier=nothing,  # type: ignore[arg-type]
            sinks=nothing,  # type: ignore[arg-type]
            number=lambda: 1,
            resolve=nothing,  # type: ignore[arg-type]
            layers=layers,
            runs=StageRuns({"image": done}),
            emit=nothing,  # type: ignore[arg-type]
            groups=nothing,  # type: ignore[arg-type]
            reuse=nothing,  # type: ignore[arg-type]
        )
        log = AttemptLog(
            self.settings.home / f"{self._run}.log", masker=scope.masker, follower=self._follow, limit=10 << 20
        )
        return AttemptContext(
            scope, own, attempt=1, log=log, cancel=self.cancel, running=lambda: None, collecting=lambda: None
        )

    def _follow(self, block: bytes) -> None:
        with self._lock:
            self._written += block


def home_settings(home: Path, base: str, **more: object) -> Settings:
    """Settings of a test: its own home, the host's certificates, and a base image for the scanners."""
    return Settings(home=home, certificates="auto", scanner_base=base, **more)  # type: ignore[arg-type]
