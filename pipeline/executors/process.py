"""The executor without an engine: a stage's commands run on this host, in a copy of the workspace; for trusted use.

What a container would have of its image comes from the host, and nothing keeps a stage from the rest of the machine.
A process cannot be attached to again: what a killed runner left running is ended before its step runs anew.
"""

from __future__ import annotations

import fcntl
import os
import platform
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from os.path import normpath
from pathlib import Path

from pipeline.errors import EngineError, UsageError
from pipeline.executors.process_command import Started, run_command
from pipeline.executors.process_files import ProcessFiles
from pipeline.executors.process_folder import KEPT, clear, held, kept_since, made, remove
from pipeline.executors.process_host import end_all, marked
from pipeline.executors.process_workspace import DirectoryWorkspace, failures
from pipeline.model.container import EXCHANGE, WORKSPACE, ContainerSpec, Exit, Network
from pipeline.model.identity import RunIdentity, safe_name
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.console import Console
from pipeline.ports.executor import ExecutorInfo, Leftover, Output, Session, Visitor
from pipeline.settings import CERTIFICATE_VARIABLES, Settings, certificate_bundle, stage_environment

TERMINATED = 143
"""128 + SIGTERM: the code of a command that was cancelled before it started."""
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ")
_GIT_TRUSTS_ALL = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


class ProcessExecutor:
    """Implements `pipeline.ports.executor.Executor`; runs live in folders under `home/work`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root = settings.home / "work"

    @property
    def name(self) -> str:
        """`process`."""
        return "process"

    def warm(self) -> None:
        """Nothing to load."""

    def probe(self) -> ExecutorInfo:
        """This host is always there."""
        details = {"host": platform.node(), "machine": platform.machine(), "user": str(os.getuid())}
        return ExecutorInfo(name="process", version=platform.release(), workspace="directory", details=details)

    def open(self, run: RunIdentity, *, lanes: int, stages: int = 20) -> Session:
        """A session; its folder is made with the first use."""
        del lanes
        return ProcessSession(self._settings, run, self._root / run.run)

    def lost(self, run: RunIdentity, layers: Sequence[str]) -> frozenset[str]:
        """Those without a folder."""
        workspace = DirectoryWorkspace(self._root / run.run)
        return frozenset(layer for layer in layers if not workspace.has(layer))

    def enter(self, run: RunIdentity, stage: str, *, command: Sequence[str], secrets: bytes, console: Console) -> int:
        """Nothing is kept here."""
        raise UsageError(
            f"the executor 'process' keeps nothing of a stage that has ended, so no shell can be opened in '{stage}'",
            hint="run it with the executor 'docker'",
        )

    def leftovers(self, installation: str) -> tuple[Leftover, ...]:
        """Folders of runs that no living process holds."""
        if installation != self._settings.installation or not self._root.is_dir():
            return ()
        return tuple(
            Leftover(kind="folder", name=str(folder), run=folder.name, kept=kept_since(folder))
            for folder in sorted(self._root.iterdir())
            if folder.is_dir() and not held(folder)
        )

    def remove(self, leftovers: tuple[Leftover, ...]) -> None:
        """End what still runs of these runs, and remove their folders. Raises EngineError naming what stayed."""
        stayed = []
        for leftover in leftovers:
            folder = Path(leftover.name)
            if leftover.kind != "folder" or folder.parent != self._root:
                continue
            if not clear(folder, leftover.run):
                stayed.append(leftover.name)
        if stayed:
            raise EngineError(f"could not remove {', '.join(stayed)}", hint="remove the folder by hand")


class ProcessSession:
    """Implements `pipeline.ports.executor.Session` for one run."""

    def __init__(self, settings: Settings, run: RunIdentity, folder: Path) -> None:
        self._settings = settings
        self._run = run
        self._folder = folder
        self._workspace = DirectoryWorkspace(folder)
        self._lock = threading.Lock()
        self._holding: int | None = None
        self._said: set[str] = set()
        self._ended: dict[str, ContainerSpec] = {}

    @property
    def workspace(self) -> DirectoryWorkspace:
        """The run's layers."""
        self._hold()
        return self._workspace

    def prepare(self, spec: ContainerSpec) -> None:
        """Nothing takes long enough to be done ahead."""

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
        """Run the command in a copy of the view, then keep what it changed as the view's layer.

        Raises UsageError for what needs an engine: services, and an image's own command.
        """
        arguments = _arguments(spec)
        if cancel.cancelled:
            return Exit(code=TERMINATED, cancelled=True)
        self._hold()
        self._tell(spec, output)
        with self._place() as place:
            files = place / "workspace"
            copied = self._workspace.copy_out(spec.view, files) if spec.view else None
            visible = ProcessFiles(files, _exchange(place) if spec.exchange else None)
            if visitor is not None:
                visitor.created(visible)
            output.starting()
            ended = run_command(
                Started(
                    arguments=_limited(arguments, spec.resources.memory or self._settings.memory),
                    folder=_working_folder(spec, files),
                    environment=self._environment(spec, place),
                    mark=f"{self._run.run}.{spec.stage}.{spec.attempt}.{spec.step}",
                    cpu=spec.resources.cpu or self._settings.cpu,
                    grace=spec.grace,
                ),
                output=output,
                cancel=cancel,
                stdin=stdin,
            )
            if visitor is not None:
                visitor.ended(visible, ended)
            if spec.view and copied:
                self._workspace.take_in(spec.view, files, copied)
        with self._lock:
            self._ended[spec.stage] = spec
        return ended

    def release(self, stage: str) -> None:
        """Nothing outlives its end but the layer."""
        with self._lock:
            self._ended.pop(stage, None)

    def keep(self, stage: str) -> None:
        """Copy the workspace as the stage's last command left it into a folder that `close` leaves."""
        with self._lock:
            spec = self._ended.pop(stage, None)
        if spec is None or spec.view is None:
            return
        with failures("keep what the stage left"):
            files = self._folder / KEPT / f"{safe_name(stage)}.{spec.attempt}" / "workspace"
            files.mkdir(parents=True, exist_ok=True)
        self._workspace.copy_out(spec.view, files)

    def park(self) -> None:
        """Nothing runs any more; the layers stay in the run's folder."""
        with self._lock:
            if self._holding is not None:
                os.close(self._holding)
                self._holding = None

    def close(self) -> None:
        """End what still runs, and remove the run's folder. Raises EngineError if it stays."""
        with self._lock:
            if self._holding is None and not self._folder.exists():
                return
            gone = clear(self._folder, self._run.run, kept=KEPT)
            if self._holding is not None:
                os.close(self._holding)
                self._holding = None
        if not gone:
            raise EngineError(f"could not remove {self._folder}", hint="remove the folder by hand")

    def _hold(self) -> None:
        """Make the run's folder, and hold it so that nobody takes it for a dead run's.

        What a killed runner of this run left running or half done is cleared first; its layers stay.
        """
        with self._lock, failures("make the work folder"):
            if self._holding is not None:
                return
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            holding = os.open(self._folder / "held", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(holding, fcntl.LOCK_EX | fcntl.LOCK_NB)
                earlier = [item for item in self._folder.iterdir() if item.name not in ("held", "layers", KEPT)]
                if earlier:
                    end_all(lambda: marked(f"{self._run.run}."))
                for item in earlier:
                    remove(item)
            except BlockingIOError:
                pass  # another session of this run is alive
            fcntl.flock(holding, fcntl.LOCK_SH)
            self._holding = holding

    def _tell(self, spec: ContainerSpec, output: Output) -> None:
        """Say once what this executor does not do."""
        ignored = {
            "image": bool(spec.image),
            "user": bool(spec.user),
            "network: none": spec.network is Network.NONE,
            "hardened": spec.hardened,
            "privileged": spec.privileged,
            "devices": bool(spec.devices),
            "resources.pids": spec.resources.pids is not None,
        }
        with self._lock:
            new = [name for name, asked in ignored.items() if asked and name not in self._said]
            self._said.update(new)
        if new:
            output.note(f"commands run on this host: {', '.join(new)} ignored")

    @contextmanager
    def _place(self) -> Iterator[Path]:
        """A folder to run in; stages that follow each other get the same path, as absolute paths creep into files."""
        with failures("make the work folder"):
            place = next(item for number in count(1) if made(item := self._folder / str(number)))
            for name in ("workspace", "home", "tmp"):
                (place / name).mkdir()
        try:
            yield place
        finally:
            # under a name of its own first: the number is free for the next stage then, and what it makes is not ours
            gone = place.rename(place.with_name(f"{place.name}.{secrets.token_hex(4)}"))
            remove(gone)  # where something stays, `close` tries again, and tells

    def _environment(self, spec: ContainerSpec, place: Path) -> Mapping[str, str]:
        """Little of the host's, then the machine's, then the stage's own."""
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        bundle = certificate_bundle(self._settings)
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            **kept,
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            **_GIT_TRUSTS_ALL,
            **stage_environment(self._settings, os.environ),
            **(dict.fromkeys(CERTIFICATE_VARIABLES, str(bundle)) if bundle else {}),
            **{name: _mapped(value, place) for name, value in spec.environment.items()},
            "ECLUSE_WORKSPACE": str(place / "workspace"),
        }


def _arguments(spec: ContainerSpec) -> tuple[str, ...]:
    """What to start. Raises UsageError for what only an engine can do."""
    if spec.services:
        raise UsageError(
            f"stage '{spec.stage}': services need an engine",
            hint="run with `--executor docker`, or start what the stage needs yourself and name it in its `env`",
        )
    arguments = (*(spec.entrypoint or ()), *(spec.command or ()))
    if not arguments:
        raise UsageError(
            f"stage '{spec.stage}': an image's own command needs an engine",
            hint="run with `--executor docker`, or give the stage `commands`",
        )
    return arguments


def _working_folder(spec: ContainerSpec, files: Path) -> Path:
    """The folder to start in: `workdir` within the workspace (made when missing), or elsewhere on this host."""
    wanted = spec.workdir or WORKSPACE
    if wanted == WORKSPACE or wanted.startswith(f"{WORKSPACE}/"):
        wanted = wanted.removeprefix(WORKSPACE).lstrip("/")
    folder = Path(normpath(files / wanted))
    if folder.is_relative_to(files):
        with failures("make the working folder"):
            folder.mkdir(parents=True, exist_ok=True)
    elif not folder.is_dir():
        raise UsageError(
            f"stage '{spec.stage}': workdir {folder} is no folder of this host", hint="name one within the workspace"
        )
    return folder


def _limited(arguments: tuple[str, ...], memory: int | None) -> tuple[str, ...]:
    """The command under a limit of bytes that each of its processes may write to of its own.

    RLIMIT_DATA rather than RLIMIT_AS: address space that is only reserved, as many runtimes do, does not count.
    """
    if memory is None:
        return arguments
    return ("/bin/sh", "-c", f'ulimit -d {max(1, memory // 1024)} && exec "$@"', arguments[0], *arguments)


def _exchange(place: Path) -> Path:
    folder = place / "exchange"
    with failures("make the exchange folder"):
        folder.mkdir()
    return folder


def _mapped(value: str, place: Path) -> str:
    """A path of the exchange folder as it is on this host."""
    if value == EXCHANGE or value.startswith(f"{EXCHANGE}/"):
        return f"{place}/exchange{value[len(EXCHANGE) :]}"
    return value
