"""Where containers run: an executor opens a session for a run; the session owns all that the run creates there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Protocol

from pipeline.model.container import ContainerSpec, Exit, Stream
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.console import Console
from pipeline.ports.workspace import Workspace


class Output(Protocol):
    """Takes what a container prints. Called from one thread at a time per container, in order of arrival."""

    def write(self, stream: Stream, chunk: bytes) -> None:
        """A chunk as it came, cut anywhere; must be quick and never raises."""

    def starting(self) -> None:
        """The container is created and is about to be started; the caller now waits for the engine."""

    def note(self, line: str) -> None:
        """A line of Écluse's own about this container (image pulled, service ready), without a line end."""

    def service(self, name: str) -> Output:
        """Where the output of a service of this stage goes."""

    def replaying(self) -> None:
        """The container began under another process: all that it has printed follows from its first byte, through
        `replayed` and then `write`. What an earlier process noted of its output is to be dropped."""

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        """Whole lines (the last may have no end yet) that the container printed at `moment`, before we watched."""


class ContainerFiles(Protocol):
    """The file system of one container that has not started yet, or has ended. Errors: EngineError and kin,
    DiskFullError."""

    def put(self, folder: str, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack a tar stream below an absolute folder of the container, which is made when missing."""

    def get(self, path: str) -> Iterator[bytes] | None:
        """A tar stream of an absolute path (names in it begin with the path's last part); None when there is none.
        Relative paths are below the workspace."""


class Visitor(Protocol):
    """Looks into a container before it starts and after it has ended; called in the thread of `execute`."""

    def created(self, files: ContainerFiles) -> None:
        """The container exists and has not started; not called for one that is found begun."""

    def ended(self, files: ContainerFiles, ending: Exit) -> None:
        """The container has ended by itself or by cancelling; its files are as it left them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutorInfo:
    """What `doctor` and a run's record say of an executor."""

    name: str
    version: str
    workspace: str
    """overlay | copy | directory"""
    details: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """An object of this installation that a run left: kind (container, volume, network, image), name, run id."""

    kind: str
    name: str
    run: str
    kept: datetime | None = None
    """Since when it is left on purpose for a person to look into (`Session.keep`); None = it is of no more use."""


class Session(Protocol):
    """Everything that one run owns on an executor. All methods may be called from several threads.

    Life cycle: opened without touching the engine; what is needed is made on first use; `close` ends it.
    Errors that may leave: EngineUnreachableError, EngineError, EngineBusyError, ImageNotFoundError,
    ServiceNotReadyError, DiskFullError, UsageError.
    """

    @property
    def workspace(self) -> Workspace:
        """The run's layers."""

    def prepare(self, spec: ContainerSpec) -> None:
        """A hint that `spec` will probably run soon: create it ahead, in the background. Never raises."""

    def soonest(self, stages: Sequence[str]) -> int:
        """Which of these stages could start soonest, as an index: one that was prepared where a place is free now.
        0 when it is all the same."""

    def execute(
        self,
        spec: ContainerSpec,
        *,
        output: Output,
        cancel: Cancellation,
        stdin: bytes = b"",
        visitor: Visitor | None = None,
    ) -> Exit:
        """Run a container to its end and return how it ended.

        First looks for its own container by name and attaches if the digest of the specification matches.
        `stdin` is written to the process and closed; nothing of it shows in the engine's records, so this is how
        secrets arrive. On cancel: SIGTERM, the grace period, SIGKILL,
        and an Exit with `cancelled`. When it returns, all output has been written. The container stays until
        `release`, so that a runner that is killed before it has recorded the result finds it again.
        """

    def release(self, stage: str) -> None:
        """The stage's results are recorded: what its containers and services left may go now, behind the scenes.
        Never raises; idempotent; unknown stages are fine."""

    def keep(self, stage: str) -> None:
        """Leave this stage's last containers, its services, its network and the layers that it sees, also after
        `release` and `close`, so that a person can look into them. `gc` removes them by their age."""

    def park(self) -> None:
        """Instead of `close`: the run waits for a person. Containers and networks go, the layers stay, so that a
        later session of the same run goes on with them. Idempotent; raises EngineError after trying all."""

    def close(self) -> None:
        """Remove everything of this run on the engine, and wait for it. Says what could not be removed by raising
        EngineError after trying all. Nothing new is begun from then on; what a thread that was killed under way made
        meanwhile goes when `close` is called again."""


class Executor(Protocol):
    """A place where containers (or, for trusted use, processes) run."""

    @property
    def name(self) -> str:
        """docker | process | scripted"""

    def warm(self) -> None:
        """A hint that a session follows soon: load and connect behind the scenes. Returns at once, never raises."""

    def probe(self) -> ExecutorInfo:
        """Ask what is there; raises EngineUnreachableError with a remedy."""

    def open(self, run: RunIdentity, *, lanes: int, stages: int = 20) -> Session:
        """A session for a run of so many `stages`, at most `lanes` at a time.

        Returns at once; may warm up behind the scenes.
        """

    def lost(self, run: RunIdentity, layers: Sequence[str]) -> frozenset[str]:
        """Which of these layers, that stages of a run left, a later session of it would not find any more, because
        somebody has removed them. Errors as of a session."""

    def enter(self, run: RunIdentity, stage: str, *, command: Sequence[str], secrets: bytes, console: Console) -> int:
        """Run a command (none: a shell) where a stage that was kept had run: file system, environment, workspace,
        user, network and services as it left them. Gives the exit code.

        `secrets` is what a script reads to have them (`engine.script.exports`), or nothing. NotFoundError when
        nothing of the stage was kept; UsageError from an executor that keeps nothing.
        """

    def leftovers(self, installation: str) -> tuple[Leftover, ...]:
        """Objects of runs (never of targets) that carry this installation's label."""

    def remove(self, leftovers: tuple[Leftover, ...]) -> None:
        """Remove them; running containers are killed. Raises EngineError naming what stayed."""
