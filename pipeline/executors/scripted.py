"""An executor without an engine: what each container does is written down beforehand, for tests of the logic.

It keeps the port's promises (names, attaching by digest, layers, cancelling), so the logic cannot tell it apart.
Nothing sleeps and no clock is read: where an order matters, a script says what a container waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from pipeline.errors import EcluseError, UsageError
from pipeline.executors.scripted_files import ScriptedFiles
from pipeline.executors.scripted_workspace import Entry, MemoryWorkspace
from pipeline.model.container import ContainerSpec, Exit, Stream
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.console import Console
from pipeline.ports.executor import ExecutorInfo, Leftover, Output, Session, Visitor

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""When everything here happened."""
TERMINATED = 143
"""128 + SIGTERM: how a cancelled container ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scripted:
    """What a container does: files into its layer (None removes), output in order, waiting, and its end."""

    code: int = 0
    output: Sequence[tuple[Stream, bytes]] = ()
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    leaves: Mapping[str, bytes] = field(default_factory=dict)
    """Files outside the workspace by absolute path, for a visitor to find (`/ecluse/output`)."""
    waits_for_cancel: bool = False
    """Runs until it is cancelled."""
    waits_for_starts: frozenset[str] = frozenset()
    """Does not end before a container of each of these stages has started (or it is cancelled)."""
    waits_for_ends: frozenset[str] = frozenset()
    """Does not end before a container of each of these stages has ended (or it is cancelled)."""
    error: EcluseError | None = None
    """Raised instead of an exit: the engine stood in the way."""
    out_of_memory: bool = False
    seconds: float = 0.0
    """What the Exit says; nothing waits that long."""


Script = Callable[[ContainerSpec], Scripted] | Mapping[str, Sequence[Scripted]]
"""A function, or a mapping from `stage` or `stage/step` to the results of attempt 1, 2, … (the last one repeats).

A stage that the mapping does not name succeeds and prints nothing.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """A container that was started, as tests look at it afterwards."""

    spec: ContainerSpec
    stdin: bytes


@dataclass(slots=True)
class _Container:
    """A container on the pretended engine; it stays until its session is closed or it is removed."""

    run: str
    installation: str
    digest: str
    script: Scripted
    stage: str = ""
    root: dict[str, Entry] = field(default_factory=dict)
    exit: Exit | None = None
    kept: datetime | None = None


class ScriptedExecutor:
    """Implements `pipeline.ports.executor.Executor`; it is also the engine, so it outlives a killed session."""

    def __init__(self, script: Script = MappingProxyType({})) -> None:
        self._script = script
        self._changed = threading.Condition()
        self._containers: dict[str, _Container] = {}
        self._workspaces: dict[str, MemoryWorkspace] = {}
        self._running: list[str] = []
        self.executions: list[Execution] = []
        """Every container that was started, in order; one that was attached to is not started again."""
        self.journal: list[tuple[str, str]] = []
        """(`start` or `end`, stage) of every container, in order."""
        self.prepared: list[ContainerSpec] = []
        self.max_parallel = 0

    @property
    def name(self) -> str:
        """`scripted`."""
        return "scripted"

    @property
    def starts(self) -> tuple[str, ...]:
        """Stages in the order in which their containers started."""
        return tuple(stage for what, stage in self.journal if what == "start")

    @property
    def ends(self) -> tuple[str, ...]:
        """Stages in the order in which their containers ended."""
        return tuple(stage for what, stage in self.journal if what == "end")

    def warm(self) -> None:
        """Always warm."""

    def probe(self) -> ExecutorInfo:
        """Always there."""
        return ExecutorInfo(name="scripted", version="1", workspace="directory", details={})

    def open(self, run: RunIdentity, *, lanes: int, stages: int = 20) -> Session:
        """A session; a second one for the same run finds the containers and layers of the first."""
        del lanes
        return self.session(run)

    def session(self, run: RunIdentity) -> ScriptedSession:
        """As `open`, with the type that tests look into."""
        with self._changed:
            return ScriptedSession(self, run, self._workspaces.setdefault(run.run, MemoryWorkspace()))

    def lost(self, run: RunIdentity, layers: Sequence[str]) -> frozenset[str]:
        """Those that nobody has written."""
        with self._changed:
            workspace = self._workspaces.get(run.run)
        return frozenset(layer for layer in layers if workspace is None or not workspace.has(layer))

    def enter(self, run: RunIdentity, stage: str, *, command: Sequence[str], secrets: bytes, console: Console) -> int:
        """Nothing is kept here."""
        raise UsageError(
            f"the executor 'scripted' keeps nothing of a stage that has ended, so no shell can be opened in '{stage}'",
            hint="run it with the executor 'docker'",
        )

    def leftovers(self, installation: str) -> tuple[Leftover, ...]:
        """Containers whose session was never closed."""
        with self._changed:
            return tuple(
                Leftover(kind="container", name=name, run=item.run, kept=item.kept)
                for name, item in self._containers.items()
                if item.installation == installation
            )

    def remove(self, leftovers: tuple[Leftover, ...]) -> None:
        """Forget them."""
        with self._changed:
            for leftover in leftovers:
                self._containers.pop(leftover.name, None)

    def start(self, name: str, run: RunIdentity, spec: ContainerSpec, stdin: bytes) -> tuple[_Container, bool]:
        """The container of that name if its digest matches (then True), else a new one that has just started."""
        script = self._scripted(spec)
        with self._changed:
            known = self._containers.get(name)
            if known is not None and known.digest == spec.digest:
                return known, True
            container = _Container(
                run=run.run, installation=run.installation, digest=spec.digest, script=script, stage=spec.stage
            )
            self._containers[name] = container
            self.executions.append(Execution(spec=spec, stdin=stdin))
            self.journal.append(("start", spec.stage))
            self._running.append(name)
            self.max_parallel = max(self.max_parallel, len(self._running))
            self._changed.notify_all()
        return container, False

    def wait(self, container: _Container, cancel: Cancellation) -> bool:
        """Wait as the script says; True when it was cut short by a cancellation."""
        script = container.script

        def satisfied() -> bool:
            met = script.waits_for_starts <= set(self.starts) and script.waits_for_ends <= set(self.ends)
            return met and not script.waits_for_cancel

        with cancel.calling(self._wake), self._changed:
            self._changed.wait_for(lambda: satisfied() or cancel.cancelled)
            return not satisfied()

    def end(self, name: str, container: _Container, stage: str, result: Exit | None) -> None:
        """Note the end; without a result (the engine failed) the container is gone."""
        with self._changed:
            if name not in self._running:
                return
            self._running.remove(name)
            self.journal.append(("end", stage))
            container.exit = result
            if result is None:
                self._containers.pop(name, None)
            self._changed.notify_all()

    def release(self, run: RunIdentity, stage: str) -> None:
        """Forget the containers of a stage that have ended and are not kept."""
        with self._changed:
            for name, item in list(self._containers.items()):
                if item.run == run.run and item.stage == stage and item.exit is not None and item.kept is None:
                    del self._containers[name]

    def keep(self, run: RunIdentity, stage: str) -> None:
        """Leave the containers of a stage."""
        with self._changed:
            for item in self._containers.values():
                if item.run == run.run and item.stage == stage:
                    item.kept = MOMENT

    def forget(self, run: RunIdentity, *, layers: bool = True) -> None:
        """Remove what a run owns here."""
        with self._changed:
            for name in [name for name, item in self._containers.items() if item.run == run.run and not item.kept]:
                del self._containers[name]
            if layers:
                self._workspaces.pop(run.run, None)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _scripted(self, spec: ContainerSpec) -> Scripted:
        if callable(self._script):
            return self._script(spec)
        results = self._script.get(f"{spec.stage}/{spec.step}") or self._script.get(spec.stage) or (Scripted(),)
        return results[min(spec.attempt, len(results)) - 1]


class ScriptedSession:
    """Implements `pipeline.ports.executor.Session`."""

    def __init__(self, engine: ScriptedExecutor, run: RunIdentity, workspace: MemoryWorkspace) -> None:
        self._engine = engine
        self._run = run
        self._workspace = workspace

    @property
    def workspace(self) -> MemoryWorkspace:
        """The run's layers."""
        return self._workspace

    def prepare(self, spec: ContainerSpec) -> None:
        """Only noted."""
        self._engine.prepared.append(spec)

    def soonest(self, stages: Sequence[str]) -> int:
        """It is all the same."""
        return 0

    def execute(
        self,
        spec: ContainerSpec,
        *,
        output: Output,
        cancel: Cancellation,
        stdin: bytes = b"",
        visitor: Visitor | None = None,
    ) -> Exit:
        """Do what the script says; a container that is already there with the same digest is attached to."""
        if cancel.cancelled:
            return Exit(code=TERMINATED, cancelled=True)
        name = self._run.name(spec.stage, str(spec.attempt), spec.step)
        container, found = self._engine.start(name, self._run, spec, stdin)
        script = container.script
        files = ScriptedFiles(self._workspace, spec.view, container.root)
        if found:
            output.replaying()
        elif visitor is not None:
            visitor.created(files)
        output.starting()
        for stream, chunk in script.output:
            if found:
                output.replayed(stream, chunk, MOMENT)
            else:
                output.write(stream, chunk)
        if container.exit is not None:
            if visitor is not None:
                visitor.ended(files, container.exit)
            return container.exit
        stopped = self._engine.wait(container, cancel)
        if script.error is not None and not stopped:
            self._engine.end(name, container, spec.stage, None)
            raise script.error
        if spec.view is not None and not stopped:
            self._workspace.write(spec.view.layer, script.files)
        result = Exit(
            code=TERMINATED if stopped else script.code,
            out_of_memory=script.out_of_memory and not stopped,
            cancelled=stopped,
            seconds=script.seconds,
        )
        container.root |= {path: Entry(0o644, content) for path, content in script.leaves.items()}
        self._engine.end(name, container, spec.stage, result)
        if visitor is not None:
            visitor.ended(files, result)
        return result

    def release(self, stage: str) -> None:
        """Remove the stage's containers."""
        self._engine.release(self._run, stage)

    def keep(self, stage: str) -> None:
        """Leave the stage's containers."""
        self._engine.keep(self._run, stage)

    def park(self) -> None:
        """Remove the run's containers; its layers stay."""
        self._engine.forget(self._run, layers=False)

    def close(self) -> None:
        """Remove the run's containers and layers."""
        self._engine.forget(self._run)
