"""What a pipeline file asks for, after parsing and checking; expressions in values are still text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.diagnostic import Position
from pipeline.model.value import Options


class EdgeRule(StrEnum):
    """When an edge of the graph lets its stage run; `DEFAULT` demands that every ancestor is satisfied."""

    DEFAULT = "default"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FINISHED = "finished"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One edge: this stage needs `stage`. `optional`: it may be absent from the plan."""

    stage: str
    rule: EdgeRule = EdgeRule.DEFAULT
    optional: bool = False


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
    """A container that stands beside a stage under the network name `name`."""

    name: str
    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    ready: Readiness | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryRule:
    """`max` further attempts when the outcome matches one of `on` (`errored`, `exit 75`); backoff in seconds."""

    max: int
    on: tuple[str, ...] = ("errored",)
    backoff: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StageDefinition:
    """One stage. Keys that every kind knows are fields; those of its own kind are `options`, checked by its schema."""

    name: str
    kind: str
    position: Position
    needs: tuple[Need, ...] = ()
    image: str | None = None
    commands: tuple[str, ...] = ()
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
    """`default` or `none`."""
    reuse: bool = False
    inputs: tuple[str, ...] = ()
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentDefinition:
    """A place where releases live: its target, its configuration, how it is verified, who is told."""

    name: str
    position: Position
    after: tuple[str, ...] = ()
    target_kind: str = "docker"
    target: Options = field(default_factory=dict)
    configuration: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    verification: tuple[Options, ...] = ()
    supervision: tuple[Options, ...] = ()
    on_failure: str = "rollback"
    url: str = ""
    allow_dirty: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


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
