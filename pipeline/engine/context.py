"""One stage attempt as its kind sees it: the implementation of `pipeline.ports.stage.StageContext`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pipeline.engine.layers import commands_spec
from pipeline.engine.script import exports
from pipeline.engine.steps import StepWatch
from pipeline.errors import CancelledError, EcluseError, SecretError, UsageError
from pipeline.model.permission import check_secret, environment_of
from pipeline.model.run import Artifact, StageRun
from pipeline.model.trust import writes_to
from pipeline.ports.cancellation import Cancellation

if TYPE_CHECKING:
    from pipeline.engine.scope import RunScope
    from pipeline.engine.stage_log import AttemptLog
    from pipeline.engine.visit import Visit
    from pipeline.model.container import ContainerSpec, Exit, View
    from pipeline.model.definition import EnvironmentDefinition, StageDefinition
    from pipeline.model.source import Source
    from pipeline.model.value import Value
    from pipeline.ports.clock import Clock
    from pipeline.ports.delivery import Delivery
    from pipeline.ports.executor import Output, Visitor
    from pipeline.ports.images import Images
    from pipeline.ports.monitoring import Sink
    from pipeline.ports.stage import Collected
    from pipeline.ports.verification import Verifier
    from pipeline.ports.workspace import WorkspaceFile
    from pipeline.settings import Settings


class AttemptContext:
    """Bound to one run, stage and attempt; see the port for what each method promises."""

    def __init__(
        self,
        scope: RunScope,
        stage: StageDefinition,
        *,
        attempt: int,
        log: AttemptLog,
        cancel: Cancellation,
        running: Callable[[], None],
        collecting: Callable[[], None],
    ) -> None:
        self._scope = scope
        self._stage = stage
        self._attempt = attempt
        self._log = log
        self._cancel = cancel
        self._running = running
        self._collecting = collecting
        self._watch: StepWatch | None = None
        self.visit: Visit | None = None
        """What was seen in the container of the commands, of a stage with caches or outputs."""

    @property
    def stage(self) -> StageDefinition:
        return self._stage

    @property
    def pipeline(self) -> str:
        return self._scope.plan.name

    @property
    def run_id(self) -> str:
        return self._scope.run_id

    def run_number(self) -> int:
        return self._scope.number()

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def source(self) -> Source:
        return self._scope.plan.source

    @property
    def scope(self) -> str:
        event = self._scope.plan.event
        return writes_to(event.trust, event.proposal)

    @property
    def settings(self) -> Settings:
        return self._scope.settings

    @property
    def clock(self) -> Clock:
        return self._scope.clock

    @property
    def cancel(self) -> Cancellation:
        return self._cancel

    @property
    def log(self) -> AttemptLog:
        return self._log

    @property
    def images(self) -> Images:
        self._running()
        return self._scope.images()

    @property
    def delivery(self) -> Delivery:
        self._running()
        return self._scope.delivery()

    @property
    def verifier(self) -> Verifier:
        return self._scope.verifier()

    def environment(self, name: str) -> EnvironmentDefinition:
        for environment in self._scope.plan.environments:
            if environment.name == name:
                return environment
        raise UsageError(f"there is no environment '{name}'", hint="write it under `environments:`")

    def sinks(self, environment: EnvironmentDefinition) -> tuple[Sink, ...]:
        for options in environment.supervision:
            for name in _texts(options):
                if name in self.settings.secrets:
                    self._check_secret(name)
        return self._scope.sinks(environment)

    def stage_run(self, name: str) -> StageRun:
        return self._scope.runs.done(name)

    def stages(self) -> Sequence[StageDefinition]:
        return tuple(planned.stage for planned in self._scope.plan.stages)

    def secret(self, name: str) -> str:
        self._check_secret(name)
        value = self._scope.secrets.get(name, environment=environment_of(self._stage))
        if value is None:
            raise SecretError(
                f"stage '{self._stage.name}' asks for the secret '{name}', which nobody knows",
                hint=f"set ECLUSE_SECRET_{name}, or write it to {self.settings.home}/secrets/{name}",
            )
        self._scope.masker.add(value)
        return value

    def execute_commands(self) -> Exit:
        secrets = {name: self.secret(name) for name in self._stage.secrets}
        stdin = exports(secrets) if secrets else b""
        steps = self._steps()
        try:
            return self._scope.session.execute(
                self._commands("main"),
                output=steps or self._log,
                cancel=self._cancel,
                stdin=stdin,
                visitor=self._visitor(),
            )
        finally:
            if steps is not None:
                steps.close()
            self._scope.layers.written(self._stage.name, self._attempt)
            if self._stage.after:
                self._run_after(stdin)

    def execute(self, spec: ContainerSpec, *, stdin: bytes = b"", output: Output | None = None) -> Exit:
        own = replace(spec, stage=self._stage.name, attempt=self._attempt)
        if own.view is not None:
            own = replace(own, view=self._view())
            self._scope.layers.written(self._stage.name, self._attempt)
        return self._scope.session.execute(own, output=output or self._log, cancel=self._cancel, stdin=stdin)

    def fill_workspace(self, archive: IO[bytes] | Iterable[bytes]) -> None:
        self._running()
        self._scope.session.workspace.fill(self._view().layer, archive)
        self._scope.layers.written(self._stage.name, self._attempt)

    def read_workspace(self, patterns: Sequence[str]) -> Iterable[WorkspaceFile]:
        return self._scope.session.workspace.read(self._view(), patterns)

    def archive_workspace(self, path: str) -> Iterable[bytes]:
        return self._scope.session.workspace.archive(self._view(), path)

    def collect(self) -> Collected:
        self._collecting()
        if not self._stage.reports and not self._stage.artifacts:
            from pipeline.ports.stage import Collected

            return Collected()
        from pipeline.engine.collecting import collect

        scope = self._scope
        return collect(
            self._stage,
            scope.session.workspace,
            self._view(),
            scope.storage,
            self._log.note,
            masker=scope.masker,
            limit=scope.settings.artifact_limit,
        )

    def keep(self, name: str, content: IO[bytes] | Iterable[bytes], *, path: str, kind: str) -> Artifact:
        digest, size = self._scope.storage.put(content)
        return Artifact(name=name, path=path, digest=digest, size=size, kind=kind)

    def cache_folder(self, name: str) -> Path:
        folder = self.settings.home / "cache" / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def facts(self) -> Mapping[str, Value]:
        return self._scope.facts(frozenset({"run"}))

    @property
    def step(self) -> int:
        """Which of the stage's commands runs, from 1; 0 where there is but one, or none has begun."""
        return self._watch.step if self._watch is not None else 0

    def _steps(self) -> StepWatch | None:
        if len(self._stage.commands) < 2 and not any(self._stage.step_timeouts):
            return None
        self._watch = StepWatch(
            self._log, self._stage.commands, self._stage.step_timeouts, cancel=self._cancel, now=self.clock.now
        )
        return self._watch

    def _visitor(self) -> Visitor | None:
        stage = self._stage
        if not stage.cache and not stage.outputs:
            return None
        from pipeline.engine.visit import Visit

        self.visit = Visit(self._scope, stage, note=self._log.note)
        return self.visit

    def _check_secret(self, name: str) -> None:
        rule, event = self.settings.secrets.get(name), self._scope.plan.event
        check_secret(name, rule, event, environment=environment_of(self._stage))

    def _view(self) -> View:
        return self._scope.layers.view(self._stage.name, self._attempt)

    def _commands(self, step: str) -> ContainerSpec:
        return commands_spec(
            self._stage,
            pipeline=self.pipeline,
            attempt=self._attempt,
            view=self._view(),
            settings=self.settings,
            step=step,
        )

    def _run_after(self, stdin: bytes) -> None:
        budget = Cancellation()
        timer = threading.Timer(
            self.settings.after_budget, budget.cancel, (f"budget of {self.settings.after_budget:g} s",)
        )
        timer.start()
        try:
            ended = self._scope.session.execute(self._commands("after"), output=self._log, cancel=budget, stdin=stdin)
            if ended.code or ended.cancelled:
                self._log.note(f"after: {budget.reason or f'exit {ended.code}'}; this does not change the outcome")
        except CancelledError:
            self._log.note("after: cancelled")
        except EcluseError as error:
            self._log.note(f"after: {error.message}; this does not change the outcome")
        finally:
            timer.cancel()


def _texts(value: Value) -> Iterable[str]:
    """Every text in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)
