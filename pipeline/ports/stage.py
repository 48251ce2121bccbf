"""What a stage kind is, and what it may ask for while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, runtime_checkable

from pipeline.model.run import Artifact, Products, StageRun

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.diagnostic import Diagnostic
    from pipeline.model.container import ContainerSpec, Exit, Stream
    from pipeline.model.definition import Definition, EnvironmentDefinition, StageDefinition
    from pipeline.model.finding import Finding
    from pipeline.model.outcome import Outcome
    from pipeline.model.report import CoverageReport, TestReport
    from pipeline.model.source import Source
    from pipeline.model.value import Value
    from pipeline.ports.cancellation import Cancellation
    from pipeline.ports.clock import Clock
    from pipeline.ports.delivery import Delivery
    from pipeline.ports.executor import Output
    from pipeline.ports.images import Images
    from pipeline.ports.monitoring import Sink
    from pipeline.ports.verification import Verifier
    from pipeline.ports.workspace import WorkspaceFile
    from pipeline.settings import Settings


class Reuse(StrEnum):
    """Whether an earlier result may serve: always, only where the file asks, or never (outside effects).

    `SOURCE`: it hands out the source and does nothing else, so it need not run where nothing runs that sees it.
    """

    ALWAYS = "always"
    ON_REQUEST = "on_request"
    NEVER = "never"
    SOURCE = "source"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageResult:
    """How a stage attempt ended and what it made."""

    outcome: Outcome
    products: Products = field(default_factory=Products)


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What the declared `reports` and `artifacts` of a stage turned out to be.

    `missing` are the report patterns that matched nothing, `broken` the files that could not be read (with why).
    """

    artifacts: tuple[Artifact, ...] = ()
    tests: TestReport | None = None
    coverage: CoverageReport | None = None
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


class StageLog(Protocol):
    """The stage's log; secrets are masked on the way."""

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Raw output, cut anywhere."""

    def note(self, line: str) -> None:
        """A line of Écluse's own."""

    def command(self, text: str) -> None:
        """A header line: what follows belongs to this command."""


class StageContext(Protocol):
    """What a kind gets for one attempt. Everything is bound to this run, stage and attempt."""

    @property
    def stage(self) -> StageDefinition:
        """The stage with all values resolved."""

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""

    @property
    def run_id(self) -> str:
        """ULID of the run, lower case."""

    def run_number(self) -> int:
        """The run's number; may wait for the records."""

    @property
    def attempt(self) -> int:
        """From 1."""

    @property
    def source(self) -> Source:
        """The repository and commit."""

    @property
    def scope(self) -> str:
        """The scope (`model.trust`) into which this run writes what outlives it."""

    @property
    def settings(self) -> Settings:
        """The machine's settings."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def cancel(self) -> Cancellation:
        """Cancelled when the stage has to stop: its timeout, the run's, or a person."""

    @property
    def log(self) -> StageLog:
        """The stage's log."""

    @property
    def images(self) -> Images:
        """The engine's images; raises UsageError for an executor without an engine."""

    @property
    def delivery(self) -> Delivery:
        """Promotions."""

    @property
    def verifier(self) -> Verifier:
        """Checks."""

    def environment(self, name: str) -> EnvironmentDefinition:
        """An environment of the plan; UsageError when there is none."""

    def sinks(self, environment: EnvironmentDefinition) -> tuple[Sink, ...]:
        """The supervision servers of an environment, in the file's order."""

    def stage_run(self, name: str) -> StageRun:
        """An earlier stage with its products; UsageError when it is not done."""

    def stages(self) -> Sequence[StageDefinition]:
        """All stages of the plan, in order (e.g. to see whether a smoke of this environment follows)."""

    def secret(self, name: str) -> str:
        """A secret's value; masked in the log from now on. SecretError when nobody knows it."""

    def execute_commands(self) -> Exit:
        """Run the stage's `commands` (or the image's own entry point) in its image in the workspace, then `after`."""

    def execute(self, spec: ContainerSpec, *, stdin: bytes = b"", output: Output | None = None) -> Exit:
        """Run a container of this kind's own making. `spec.stage`, `attempt` and labels are filled in, and `view`
        becomes that of the stage unless it is None. What it prints goes to the log, or to `output`."""

    def fill_workspace(self, archive: IO[bytes] | Iterable[bytes]) -> None:
        """Unpack a tar stream as this stage's layer (checkout)."""

    def read_workspace(self, patterns: Sequence[str]) -> Iterable[WorkspaceFile]:
        """Files of the merged view."""

    def archive_workspace(self, path: str) -> Iterable[bytes]:
        """A tar stream of a folder of the merged view."""

    def collect(self) -> Collected:
        """Read the declared reports and artifacts into the storage."""

    def keep(self, name: str, content: IO[bytes] | Iterable[bytes], *, path: str, kind: str) -> Artifact:
        """Store content of the kind's own making as an artifact."""

    def cache_folder(self, name: str) -> Path:
        """A folder of this machine that outlives runs (git mirrors, scanner databases); made when missing."""

    def facts(self) -> Mapping[str, Value]:
        """What expressions see now."""


class StageKind(Protocol):
    """A kind of stage. One instance serves all stages; it keeps no state. Importing its module is cheap."""

    @property
    def name(self) -> str:
        """As written in `kind:`."""

    @property
    def version(self) -> int:
        """Raised when the same inputs would give another result; part of the reuse key."""

    @property
    def reuse(self) -> Reuse:
        """Whether earlier results may serve."""

    @property
    def effects(self) -> bool:
        """Whether it changes the world outside the run; such stages are never retried by default."""

    def schema(self) -> Mapping[str, Value]:
        """JSON Schema (2020-12) of a stage of this kind: its `properties` are those of the kind alone, its
        `x-common` lists the common keys that it takes (or is absent: all), its `required` the needed ones."""

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """What the schema cannot say, e.g. that `of` must name a build stage. Runs at `ecluse check`."""

    def run(self, context: StageContext) -> StageResult:
        """Do the work of one attempt.

        The user's failure is a result. Errors of the family leave as they are: the engine turns them into `errored`
        (transient or not), CancelledError into `cancelled` or `timed_out`.
        """


@runtime_checkable
class Recovering(Protocol):
    """A kind with outside effects that can tell what an attempt did outside whose process was killed.

    One without this is attached to where it runs in a container; cut off by a restart of the host, it is `errored`.
    """

    def recover(self, context: StageContext, *, since: datetime) -> StageResult | None:
        """Ask the outside what the attempt that began at `since` did there.

        Its result where that is settled; None where `run` may be called: it then goes on with what is there, and does
        nothing a second time. Errors as of `run`.
        """
