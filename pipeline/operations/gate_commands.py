"""Running the command of a check gate: in a container of its own, with the scripts that the policy's revision holds."""

from __future__ import annotations

import io
import os
import shlex
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pipeline.errors import EcluseError, SecretError, UsageError
from pipeline.model.container import WORKSPACE, ContainerSpec, Exit, Stream
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import CommandRule, scripts_of
from pipeline.model.gate_facts import CheckAnswer
from pipeline.model.hiding import hide
from pipeline.model.identity import RunIdentity
from pipeline.model.permission import check_secret
from pipeline.model.policy import Policy
from pipeline.model.release import Release
from pipeline.model.source import Event
from pipeline.model.ulid import ulid
from pipeline.operations.git_history import GitHistory
from pipeline.operations.repository_files import file_of_commit
from pipeline.operations.source import describe
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import ContainerFiles

STAGE: Final = "gate"
LIMIT: Final = 1024 * 1024
"""Bytes of a script."""
_KEPT: Final = 4096
"""Bytes of what it printed last."""


def ask_command(
    app: Application,
    rule: CommandRule,
    environment: EnvironmentDefinition,
    release: Release,
    *,
    policy: Policy,
    folder: Path | None,
) -> CheckAnswer:
    """What the command says now: yes where it exits 0, and its last line. Whatever keeps it from running is an answer.

    It knows the release by the variables ECLUSE_RELEASE, ECLUSE_RELEASE_NAME, ECLUSE_COMMIT, ECLUSE_REPOSITORY and
    ECLUSE_ENVIRONMENT. Scripts come from the policy, without one from the default branch of the repository in `folder`.
    """
    try:
        scripts = _scripts(rule, policy, folder)
        secrets = _secrets(app, rule, environment)
        spoken = _Words()
        ended = _run(app, _spec(rule, environment, release, secrets=bool(secrets)), scripts, secrets, rule, spoken)
    except EcluseError as error:
        return CheckAnswer(
            passed=False, detail=error.message, time=app.clock.now(), error=True, revision=policy.revision
        )
    last = hide(spoken.last, secrets.values())
    if ended.cancelled:
        detail = f"it took longer than {rule.timeout:g}s" + (f"; it said: {last}" if last else "")
        return CheckAnswer(passed=False, detail=detail, time=app.clock.now(), error=True, revision=policy.revision)
    detail = last if ended.code == 0 else f"exit code {ended.code}" + (f": {last}" if last else "")
    return CheckAnswer(passed=ended.code == 0, detail=detail, time=app.clock.now(), revision=policy.revision)


def _scripts(rule: CommandRule, policy: Policy, folder: Path | None) -> Mapping[str, bytes]:
    names = scripts_of(rule)
    if all(name in policy.scripts for name in names):
        return {name: policy.scripts[name] for name in names}
    if folder is None:  # the gate is one of the default branch, and so are its scripts
        raise UsageError(f"{names[0]} is not here", hint="name it in a policy, or stand in the repository")
    history = GitHistory(describe(folder))
    ref = history.default_branch[0] or history.only_branch[0]
    commit = history.commit_of(ref) if ref else ""
    found: dict[str, bytes] = {}
    for name in names:
        content = file_of_commit(folder, commit, name, limit=LIMIT) if commit else None
        if content is None:
            raise UsageError(f"the default branch has no {name}", hint="commit it there")
        found[name] = content
    return found


def _secrets(app: Application, rule: CommandRule, environment: EnvironmentDefinition) -> Mapping[str, str]:
    values: dict[str, str] = {}
    for name in rule.secrets:
        check_secret(name, app.settings.secrets.get(name), Event(kind="manual"), environment=environment.name)
        value = app.secrets.get(name, environment=environment.name)
        if value is None:
            raise SecretError(f"nobody provides the secret '{name}'", hint=f"set ECLUSE_SECRET_{name}")
        values[name] = value
    return values


def _spec(rule: CommandRule, environment: EnvironmentDefinition, release: Release, *, secrets: bool) -> ContainerSpec:
    from pipeline.engine.script import compose, shell_command

    command = shell_command(None, compose([shlex.join(rule.command)], secrets=True)) if secrets else rule.command
    return ContainerSpec(
        stage=STAGE,
        attempt=1,
        step="command",
        image=rule.image,
        entrypoint=(),
        command=command,
        environment={
            "ECLUSE_RELEASE": release.id,
            "ECLUSE_RELEASE_NAME": release.name,
            "ECLUSE_COMMIT": release.commit,
            "ECLUSE_REPOSITORY": release.repository,
            "ECLUSE_ENVIRONMENT": environment.name,
        },
        workdir=WORKSPACE,
    )


def _run(
    app: Application,
    spec: ContainerSpec,
    scripts: Mapping[str, bytes],
    secrets: Mapping[str, str],
    rule: CommandRule,
    spoken: _Words,
) -> Exit:
    from pipeline.engine.script import exports

    identity = RunIdentity(installation=app.settings.installation, run=ulid(app.clock.now(), os.urandom(10)))
    session = app.executor("docker").open(identity, lanes=1, stages=1)  # in a container, wherever stages run
    cancel = Cancellation()
    timer = threading.Timer(rule.timeout, cancel.cancel, args=("the gate's timeout",), kwargs={"timed_out": True})
    timer.daemon = True
    spoken.begins = timer.start
    try:
        stdin = exports(secrets) if secrets else b""
        return session.execute(spec, output=spoken, cancel=cancel, stdin=stdin, visitor=_Furnisher(scripts))
    finally:
        timer.cancel()
        session.close()


class _Furnisher:
    """Puts the scripts where the command finds them, before it starts."""

    def __init__(self, scripts: Mapping[str, bytes]) -> None:
        self._scripts = scripts

    def created(self, files: ContainerFiles) -> None:
        if self._scripts:
            files.put(WORKSPACE, io.BytesIO(_archive(self._scripts)))

    def ended(self, files: ContainerFiles, ending: Exit) -> None:
        return None


def _archive(scripts: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(scripts.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


class _Words:
    """Keeps the end of what a container prints."""

    def __init__(self) -> None:
        self._tail = b""
        self._began = False
        self.begins: Callable[[], None] | None = None

    @property
    def last(self) -> str:
        """The last line that says something."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")[:300]

    def write(self, stream: Stream, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-_KEPT:]

    def starting(self) -> None:
        if not self._began:
            self._began = True
            if self.begins is not None:
                self.begins()

    def note(self, line: str) -> None:
        return None

    def service(self, name: str) -> _Words:
        return self

    def replaying(self) -> None:
        self._tail = b""

    def replayed(self, stream: Stream, lines: bytes, moment: object) -> None:
        self.write(stream, lines)
