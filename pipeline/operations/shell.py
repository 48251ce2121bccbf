"""Looking into the container of a stage that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.engine.script import exports
from pipeline.errors import NotFoundError, SecretError
from pipeline.model.identity import RunIdentity
from pipeline.model.permission import environment_of
from pipeline.model.run import Run
from pipeline.operations.logs import stages_of
from pipeline.operations.resume import recorded_plan
from pipeline.ports.application import Application
from pipeline.ports.console import Console


@dataclass(frozen=True, kw_only=True, slots=True)
class ShellRequest:
    """Which stage of which run, what to run there (nothing: a shell), and whether it gets the stage's secrets."""

    repository: str
    reference: str
    stage: str
    command: Sequence[str] = ()
    secrets: bool = False


def shell(app: Application, request: ShellRequest, console: Console) -> int:
    """Run it; the exit code of the command. NotFoundError where nothing of the stage was kept, with how to keep it."""
    run = app.records.find_run(request.reference, repository=request.repository)
    stage = stages_of(run, request.stage)[0]
    secrets = _secrets(app, run, stage.name) if request.secrets else b""
    identity = RunIdentity(installation=app.settings.installation, run=run.id)
    try:
        return app.executor(run.executor).enter(
            identity, stage.name, command=request.command, secrets=secrets, console=console
        )
    except NotFoundError as error:
        number = run.number or run.id
        raise NotFoundError(
            f"run {number}: {error.message}",
            hint=f"repeat the stage and keep it: ecluse retry {number} '{stage.name}' --keep-failed",
        ) from error


def _secrets(app: Application, run: Run, stage: str) -> bytes:
    """The secrets that the stage had, as they are now; SecretError where one is not known any more."""
    planned = next((item.stage for item in recorded_plan(app, run).stages if item.stage.name == stage), None)
    values: dict[str, str] = {}
    if planned is None:
        return b""
    for name in planned.secrets:
        value = app.secrets.get(name, environment=environment_of(planned))
        if value is None:
            raise SecretError(f"nobody knows the secret '{name}' of stage '{stage}'", hint=f"set ECLUSE_SECRET_{name}")
        values[name] = value
    return exports(values) if values else b""
