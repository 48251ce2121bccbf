"""An executor under contract, and an output that a test can await."""

from __future__ import annotations

import io
import secrets
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import docker

from pipeline.model.container import ContainerSpec, Exit, Stream, View
from pipeline.model.identity import LABEL_RUN, RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import ContainerFiles, Executor, Session, Visitor
from pipeline.settings import Settings


@dataclass(slots=True)
class Printed:
    """An Output that keeps what it gets and lets a test await it."""

    chunks: list[tuple[Stream, bytes]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    services: dict[str, Printed] = field(default_factory=dict)
    replays: int = 0
    moments: list[tuple[datetime, bytes]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, stream: Stream, chunk: bytes) -> None:
        with self._changed:
            self.chunks.append((stream, chunk))
            self._changed.notify_all()

    def starting(self) -> None:
        """Nothing to note."""

    def note(self, line: str) -> None:
        self.notes.append(line)

    def replaying(self) -> None:
        self.replays += 1
        self.chunks.clear()

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        self.moments.append((moment, lines))
        self.write(stream, lines)

    def service(self, name: str) -> Printed:
        return self.services.setdefault(name, Printed())

    @property
    def out(self) -> bytes:
        return b"".join(chunk for stream, chunk in self.chunks if stream is Stream.OUT)

    @property
    def err(self) -> bytes:
        return b"".join(chunk for stream, chunk in self.chunks if stream is Stream.ERR)

    def await_text(self, text: bytes, within: float = 60.0) -> None:
        """Returns when the text has been printed on stdout."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.out, within), f"never saw {text!r}: {self.out!r}"


@dataclass(kw_only=True, slots=True)
class Visit:
    """A Visitor that puts archives into folders before the start, and reads paths after the end."""

    puts: dict[str, bytes] = field(default_factory=dict)
    gets: tuple[str, ...] = ()
    found: dict[str, dict[str, bytes] | None] = field(default_factory=dict)
    """By path: content of the regular files of its archive, by name; None where there is none."""
    endings: list[Exit] = field(default_factory=list)

    def created(self, files: ContainerFiles) -> None:
        for folder, archive in self.puts.items():
            files.put(folder, io.BytesIO(archive))

    def ended(self, files: ContainerFiles, ending: Exit) -> None:
        self.endings.append(ending)
        for path in self.gets:
            stream = files.get(path)
            self.found[path] = None if stream is None else contents(b"".join(stream))


def contents(archive: bytes) -> dict[str, bytes]:
    """Regular files of a tar stream."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        return {
            item.name: file.read()
            for item in members
            if item.isreg() and (file := members.extractfile(item)) is not None
        }


@dataclass(kw_only=True, slots=True)
class Ground:
    """One executor under test with sessions that are closed at the end."""

    kind: str
    settings: Settings
    executor: Executor
    image: str
    opened: list[Session] = field(default_factory=list)

    @property
    def docker(self) -> bool:
        """Whether stages run in containers."""
        return self.kind != "process"

    def other_workspace(self) -> Ground:
        """The same engine with the other kind of workspace."""
        kind = {"overlay": "copy", "copy": "overlay"}[self.settings.workspace]
        settings = replace(self.settings, workspace=kind)
        executor = type(self.executor)(settings)  # type: ignore[call-arg] # as the table of executors says
        return replace(self, kind=f"docker {kind}", settings=settings, executor=executor)

    def identity(self) -> RunIdentity:
        return RunIdentity(installation=self.settings.installation, run="01" + secrets.token_hex(12))

    def open(self, run: RunIdentity | None = None, *, lanes: int = 2) -> Session:
        session = self.executor.open(run or self.identity(), lanes=lanes)
        self.opened.append(session)
        return session

    def spec(self, *command: str, **more: Any) -> ContainerSpec:
        """A container that runs this command in a layer of its stage."""
        defaults: dict[str, Any] = {"stage": "stage", "attempt": 1, "step": "main", "image": self.image}
        values = {**defaults, **more}
        values.setdefault("view", View(layer=values["stage"]))
        return ContainerSpec(command=command, entrypoint=(), **values)

    def shell(self, script: str, **more: Any) -> ContainerSpec:
        return self.spec("sh", "-c", script, **more)

    def run(
        self, session: Session, spec: ContainerSpec, *, stdin: bytes = b"", visitor: Visitor | None = None
    ) -> tuple[Exit, Printed]:
        printed = Printed()
        ended = session.execute(spec, output=printed, cancel=Cancellation(), stdin=stdin, visitor=visitor)
        return ended, printed


def of_run(client: docker.APIClient, run: RunIdentity, **labels: str) -> list[dict[str, Any]]:
    """Containers of a run on the engine, whatever their state."""
    wanted = [f"{LABEL_RUN}={run.run}", *(f"io.ecluse.{key}={value}" for key, value in labels.items())]
    found: list[dict[str, Any]] = client.containers(all=True, filters={"label": wanted})
    return found


def closing(made: Ground) -> Iterator[Ground]:
    """Its sessions are closed at the end."""
    yield made
    for session in made.opened:
        session.close()


def tar_of(content: Mapping[str, bytes | str | None]) -> bytes:
    """A tar stream from paths: bytes are files, None is a folder, `-> x` is a symlink; mode 0755 for `*.sh`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, item in content.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755 if item is None or path.endswith(".sh") else 0o644
            if item is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(item, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, item.removeprefix("-> ")
            else:
                entry.size = len(item)
            archive.addfile(entry, io.BytesIO(item) if isinstance(item, bytes) else None)
    return buffer.getvalue()
