"""What a pipeline file asks for, after parsing and checking; expressions in values are still text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.diagnostic import Position
from pipeline.model.gate import GateDefinition
from pipeline.model.strategy import Strategy
from pipeline.model.value import Options


class EdgeRule(StrEnum):
    """When an edge of the graph lets its stage run; `DEFAULT` demands that every ancestor is satisfied."""

    DEFAULT = "default"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FINISHED = "finished"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One edge: this stage needs `stage`. `optional`: it may be absent from the plan.

    `matrix` narrows it to the cells that have these values; planning replaces it by edges to those cells.
    `emitted`: also all that `stage` emits must be done.
    """

    stage: str
    rule: EdgeRule = EdgeRule.DEFAULT
    optional: bool = False
    matrix: Mapping[str, str] = field(default_factory=dict, hash=False)
    emitted: bool = False


class RunRule(StrEnum):
    """What `when.run` says about needs."""

    ON_SUCCESS = "on_success"
    ALWAYS = "always"
    ON_FAILURE = "on_failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class When:
    """The conditions of a stage; empty tuples and an empty expression say nothing. All must hold."""

    event: tuple[str, ...] = ()
    branch: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    expression: str = ""
    """CEL text of the key `if`, without `${{ }}`."""
    run: RunRule = RunRule.ON_SUCCESS
    manual: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a value must be: JSON Schema's own words, as far as the values of a pipeline file need them."""

    types: tuple[str, ...]
    """`string`, `boolean`, `integer`, `number`, `array`, `object`"""
    format: str = ""
    """`duration`, `size`, or another one of the schema's `x-format`."""
    words: tuple[str, ...] = ()
    pattern: str = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TypedExpression:
    """A value whose type the file fixes and whose text holds an expression: what it gives is checked, then put at
    `path` (`resources.cpu`, `artifacts.0.name`, `options.checks.0.status`) of what it belongs to."""

    path: str
    text: str
    wanted: Wanted
    position: Position


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtifactRule:
    """Files to keep: glob patterns relative to the workspace, under a name; `keep` in seconds, None = default."""

    name: str
    paths: tuple[str, ...]
    keep: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """Limits of a container: cpu in cores, memory in bytes, pids as a count; None = the machine's default."""

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """How to know that a service is ready: a shell command in it that exits 0, within seconds."""

    command: str
    within: float = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceDefinition:
    """A container that stands beside a stage under the network name `name`.

    `privileged` is allowed only for images that the machine's settings list.
    """

    name: str
    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    ready: Readiness | None = None
    privileged: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixRule:
    """One stage written for many: axes in written order with their values as text.

    `include` adds cells or further values to cells that match, `exclude` takes cells out that match.
    `fail_fast`: when one cell fails, the other cells of this stage are stopped.
    """

    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    include: tuple[Mapping[str, str], ...] = ()
    exclude: tuple[Mapping[str, str], ...] = ()
    fail_fast: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitRule:
    """One stage cut into `into` parts that share its test files; `by`: `timing` of earlier runs, or `count`.

    `files` are the globs of the files to share out; empty = the usual names of test files.
    """

    into: int
    by: str = "timing"
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheRule:
    """Paths (absolute, or relative to the workspace) kept between runs under a key; never fails a stage.

    `fallback`: when nothing is kept under `key`, the newest entry whose key starts with one of these serves.
    """

    key: str
    paths: tuple[str, ...]
    fallback: tuple[str, ...] = ()


class ConcurrencyPolicy(StrEnum):
    """What happens when a group is occupied: wait in line, stop who is in it, or give way."""

    QUEUE = "queue"
    CANCEL_OLDER = "cancel_older"
    CANCEL_NEWER = "cancel_newer"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConcurrencyRule:
    """At most one run (or stage) of a group at a time, within this installation."""

    group: str
    policy: ConcurrencyPolicy = ConcurrencyPolicy.QUEUE


@dataclass(frozen=True, kw_only=True, slots=True)
class NotifyRule:
    """Who is told of a run's end. `on`: conclusions, or `fixed`, `broken` (compared with the run before); `to`: a
    URL as Apprise takes it."""

    on: tuple[str, ...]
    to: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PushTrigger:
    """Which pushes start a run; empty tuples say nothing, `!` before a pattern excludes."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PullRequestTrigger:
    """Which pull requests start a run; `branches` are those it is to be merged into."""

    branches: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleTrigger:
    """When the clock starts a run: five fields of cron in an IANA time zone, on a branch ("" = the default one)."""

    cron: str
    timezone: str = "UTC"
    branch: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Triggers:
    """What starts a run by itself; a kind of event that is not written starts none. A manual run always starts."""

    push: PushTrigger | None = None
    pull_request: PullRequestTrigger | None = None
    schedule: tuple[ScheduleTrigger, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryRule:
    """`max` further attempts when the outcome matches one of `on` (`errored`, `exit 75`); backoff in seconds."""

    max: int
    on: tuple[str, ...] = ("errored",)
    backoff: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StageDefinition:
    """One stage. Keys that every kind knows are fields; those of its own kind are `options`, checked by its schema.

    A cell of a matrix (or a part of a split) is a stage of its own: its `name` is `<group>:<value>,<value>`, its
    `cell` has its values, `split` stays as written in all of them, and `matrix` keeps `fail_fast` alone.
    """

    name: str
    kind: str
    position: Position
    group: str = ""
    """The stage as it is written in the file; "" where that is `name`."""
    cell: Mapping[str, str] = field(default_factory=dict)
    """This cell's values; of a part of a split also `split` (from 1)."""
    matrix: MatrixRule | None = None
    split: SplitRule | None = None
    needs: tuple[Need, ...] = ()
    image: str | None = None
    commands: tuple[str, ...] = ()
    step_timeouts: tuple[float | None, ...] = ()
    """Seconds for each of `commands`, None = no limit of its own; empty where none has one."""
    after: tuple[str, ...] = ()
    shell: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    timeout: float | None = None
    """Seconds; None = the machine's default."""
    allow_failure: bool = False
    artifacts: tuple[ArtifactRule, ...] = ()
    reports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Report type (`junit`, `coverage`, `sarif`) to glob patterns."""
    when: When = field(default_factory=When)
    source: bool = True
    """Whether the stage sees the checkout; False = an empty workspace of its own."""
    services: tuple[ServiceDefinition, ...] = ()
    resources: Resources = field(default_factory=Resources)
    retry: RetryRule | None = None
    user: str | None = None
    workdir: str | None = None
    network: str = "default"
    """`default`, `none` or (where the machine's settings allow it) `host`."""
    reuse: bool = False
    inputs: tuple[str, ...] = ()
    cache: tuple[CacheRule, ...] = ()
    outputs: tuple[str, ...] = ()
    """Names that its commands write as `NAME=value` lines to $ECLUSE_OUTPUT."""
    emits: str = ""
    """A file of its workspace that holds further stages; "" = none."""
    concurrency: ConcurrencyRule | None = None
    hardened: bool = False
    privileged: bool = False
    devices: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()
    """Labels that a server's worker must have."""
    options: Options = field(default_factory=dict)
    typed: tuple[TypedExpression, ...] = ()
    """Values that are still expressions; their fields hold a stand-in until they are evaluated."""

    @property
    def written(self) -> str:
        """The stage's name in the file, without its cell."""
        return self.group or self.name


class ReviewSource(StrEnum):
    """What gets a review environment of its own."""

    PULL_REQUEST = "pull_request"
    BRANCH = "branch"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewRule:
    """One environment for each of these; taken away `lasting` seconds after the last deployment to it."""

    source: ReviewSource
    lasting: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentDefinition:
    """A place where releases live: its target, its configuration, how it is verified, who is told."""

    name: str
    position: Position
    after: tuple[str, ...] = ()
    target_kind: str = "docker"
    target: Options = field(default_factory=dict)
    strategy: Strategy | None = None
    """None = what the target does by itself."""
    gates: tuple[GateDefinition, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    verification: tuple[Options, ...] = ()
    supervision: tuple[Options, ...] = ()
    on_failure: str = "rollback"
    url: str = ""
    allow_dirty: bool = False
    automatic: bool = True
    """Whether a run, or a verified deployment to all that it comes `after`, brings releases in without being asked."""
    queue: bool = True
    """Whether a promotion waits for the one under way; else a newer one supersedes those that have not begun."""
    ledger: str = ""
    """The database that keeps its history, without credentials; "" = that of the machine that promotes."""
    review: ReviewRule | None = None
    """Written once, it is one for each pull request or branch; None = it is what it is."""
    instance_of: str = ""
    """Of one that a pull request or a branch has: what it is written as."""
    origin: str = ""
    """Where this definition was found, for people: the policy, the default branch, a commit."""
    unfounded: str = ""
    """Why nothing may be promoted by this definition: it gets round what keeps others out. "" where it may."""
    registry: str = ""
    """The repository into which a release's image is copied before it is rolled out from there; "" = none."""
    labels: Mapping[str, str] = field(default_factory=dict)
    typed: tuple[TypedExpression, ...] = ()
    """Values that are still expressions; their fields hold a stand-in until they are evaluated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """A whole pipeline file. `digest` is over the file's bytes; stages keep their written order."""

    name: str
    file: str
    digest: str
    stages: tuple[StageDefinition, ...]
    environments: tuple[EnvironmentDefinition, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    fail_fast: bool = False
    timeout: float | None = None
    """Seconds for the whole run; None = the machine's default."""
    triggers: Triggers | None = None
    """None where the file has none: then every event may start a run."""
    concurrency: ConcurrencyRule | None = None
    notify: tuple[NotifyRule, ...] = ()

    def stage(self, name: str) -> StageDefinition:
        """The stage of that name; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def environment(self, name: str) -> EnvironmentDefinition:
        """The environment of that name; KeyError when there is none."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        raise KeyError(name)
