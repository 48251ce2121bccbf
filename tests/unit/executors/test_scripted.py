"""The scripted executor keeps the promises of the executor port."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Mapping
from datetime import datetime

import pytest

from pipeline.errors import EngineBusyError, NotFoundError, StorageError
from pipeline.executors.scripted import Scripted, ScriptedExecutor
from pipeline.executors.scripted_workspace import MemoryWorkspace
from pipeline.model.container import ContainerSpec, Exit, Stream, View
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import ContainerFiles, Output

RUN = RunIdentity(installation="i" * 32, run="r1")


class Collected:
    """An Output that keeps what it is told."""

    def __init__(self) -> None:
        self.chunks: list[tuple[Stream, bytes]] = []

    def write(self, stream: Stream, chunk: bytes) -> None:
        self.chunks.append((stream, chunk))

    def starting(self) -> None:
        """Nothing to note."""

    def replaying(self) -> None:
        self.chunks.clear()

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        self.chunks.append((stream, lines))

    def note(self, line: str) -> None:
        self.chunks.append((Stream.ERR, line.encode()))

    def service(self, name: str) -> Output:
        return self


def spec(stage: str, *, attempt: int = 1, step: str = "commands", below: tuple[str, ...] = ()) -> ContainerSpec:
    return ContainerSpec(stage=stage, attempt=attempt, step=step, image="x", view=View(layer=stage, below=below))


def tar_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_attempts_follow_the_script_and_the_last_one_repeats() -> None:
    session = ScriptedExecutor({"unit": [Scripted(code=1), Scripted(code=0)]}).session(RUN)
    codes = [
        session.execute(spec("unit", attempt=n), output=Collected(), cancel=Cancellation()).code for n in (1, 2, 3)
    ]
    assert codes == [1, 0, 0]


def test_a_step_may_have_a_script_of_its_own() -> None:
    session = ScriptedExecutor({"unit": [Scripted(code=1)], "unit/after": [Scripted(code=7)]}).session(RUN)
    assert session.execute(spec("unit", step="after"), output=Collected(), cancel=Cancellation()).code == 7


def test_output_and_standard_input_arrive() -> None:
    executor = ScriptedExecutor({"unit": [Scripted(output=[(Stream.OUT, b"a"), (Stream.ERR, b"b")])]})
    output = Collected()
    executor.session(RUN).execute(spec("unit"), output=output, cancel=Cancellation(), stdin=b"secret")
    assert output.chunks == [(Stream.OUT, b"a"), (Stream.ERR, b"b")]
    assert executor.executions[0].stdin == b"secret"


def test_an_engine_error_leaves_no_container_behind() -> None:
    executor = ScriptedExecutor({"unit": [Scripted(error=EngineBusyError("dropped"))]})
    with pytest.raises(EngineBusyError):
        executor.session(RUN).execute(spec("unit"), output=Collected(), cancel=Cancellation())
    assert executor.leftovers(RUN.installation) == ()
    assert executor.journal == [("start", "unit"), ("end", "unit")]


def test_a_second_session_attaches_instead_of_running_again() -> None:
    executor = ScriptedExecutor({"unit": [Scripted(code=3, output=[(Stream.OUT, b"once")])]})
    executor.session(RUN).execute(spec("unit"), output=Collected(), cancel=Cancellation())
    output = Collected()
    result = executor.session(RUN).execute(spec("unit"), output=output, cancel=Cancellation())
    assert (result.code, output.chunks, executor.starts) == (3, [(Stream.OUT, b"once")], ("unit",))
    assert [item.run for item in executor.leftovers(RUN.installation)] == ["r1"]
    executor.session(RUN).close()
    assert executor.leftovers(RUN.installation) == ()


def test_cancelling_ends_what_waits() -> None:
    executor = ScriptedExecutor({"long": [Scripted(waits_for_cancel=True, files={"half": b"x"})]})
    session = executor.session(RUN)
    cancel = Cancellation()
    ended: list[Exit] = []
    thread = threading.Thread(
        target=lambda: ended.append(session.execute(spec("long"), output=Collected(), cancel=cancel))
    )
    thread.start()
    cancel.cancel("enough")
    thread.join(timeout=10)
    assert [item.cancelled for item in ended] == [True]
    assert session.workspace.files(View(layer="long")) == {}


def test_parallel_starts_are_counted() -> None:
    both = frozenset({"a", "b"})
    executor = ScriptedExecutor({name: [Scripted(waits_for_starts=both)] for name in both})
    session = executor.session(RUN)
    threads = [
        threading.Thread(
            target=session.execute, args=(spec(name),), kwargs={"output": Collected(), "cancel": Cancellation()}
        )
        for name in sorted(both)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert executor.max_parallel == 2
    assert {what for what, _ in executor.journal[:2]} == {"start"}


def test_layers_merge_as_overlay_does() -> None:
    workspace = MemoryWorkspace()
    workspace.fill("base", [tar_of({"src/a.py": b"a", "src/old.py": b"old", "README": b"base"})])
    workspace.write("one", {"src": None, "src/new.py": b"new"})
    workspace.write("two", {"README": b"two"})
    assert workspace.files(View(layer="two", below=("one", "base"))) == {"README": b"two", "src/new.py": b"new"}
    assert workspace.files(View(layer="base")) == {"src/a.py": b"a", "src/old.py": b"old", "README": b"base"}
    assert workspace.layer("one") == {"src": None, "src/new.py": b"new"}


def test_reading_and_archiving_a_view() -> None:
    workspace = MemoryWorkspace()
    workspace.fill("base", io.BytesIO(tar_of({"out/r.xml": b"<r/>", "out/deep/s.xml": b"<s/>", "x": b"x"})))
    view = View(layer="own", below=("base",))
    assert [(item.path, item.content.read()) for item in workspace.read(view, ["**/*.xml"])] == [
        ("out/deep/s.xml", b"<s/>"),
        ("out/r.xml", b"<r/>"),
    ]
    with tarfile.open(fileobj=io.BytesIO(b"".join(workspace.archive(view, "out")))) as archive:
        assert sorted(archive.getnames()) == ["deep", "deep/s.xml", "r.xml"]
    with pytest.raises(NotFoundError, match="there is no folder 'absent'"):
        workspace.archive(view, "absent")


@pytest.mark.parametrize("name", [pytest.param("../x", id="parent"), pytest.param("/etc/x", id="absolute")])
def test_an_archive_cannot_leave_the_workspace(name: str) -> None:
    with pytest.raises(StorageError, match="outside the workspace"):
        MemoryWorkspace().fill("base", [tar_of({name: b""})])


class Looking:
    """A Visitor that puts a file and reads paths."""

    def __init__(self, *paths: str) -> None:
        self._paths = paths
        self.found: dict[str, dict[str, bytes] | None] = {}
        self.created_in: list[str] = []

    def created(self, files: ContainerFiles) -> None:
        self.created_in.append("put")
        files.put("in", io.BytesIO(tar_of({"a": b"1"})))
        files.put("/var/own", io.BytesIO(tar_of({"b": b"2"})))

    def ended(self, files: ContainerFiles, ending: Exit) -> None:
        for path in self._paths:
            stream = files.get(path)
            self.found[path] = None if stream is None else _contents(b"".join(stream))


def _contents(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        files = [item for item in members if item.isreg()]
        return {item.name: file.read() for item in files if (file := members.extractfile(item)) is not None}


def test_a_visitor_finds_what_was_put_and_what_the_script_left() -> None:
    executor = ScriptedExecutor({"unit": [Scripted(leaves={"/ecluse/output": b"k=v"}, files={"out/f": b"3"})]})
    visitor = Looking("in", "/var/own/b", "/ecluse/output", "out", "none", "/none")
    executor.session(RUN).execute(spec("unit"), output=Collected(), cancel=Cancellation(), visitor=visitor)
    assert visitor.found == {
        "in": {"in/a": b"1"},
        "/var/own/b": {"b": b"2"},
        "/ecluse/output": {"output": b"k=v"},
        "out": {"out/f": b"3"},
        "none": None,
        "/none": None,
    }
    again = Looking("/ecluse/output")
    executor.session(RUN).execute(spec("unit"), output=Collected(), cancel=Cancellation(), visitor=again)
    assert (again.created_in, again.found) == ([], {"/ecluse/output": {"output": b"k=v"}})


def test_release_forgets_a_stage_and_keep_leaves_it() -> None:
    executor = ScriptedExecutor()
    session = executor.session(RUN)
    for stage in ("one", "two"):
        session.execute(spec(stage), output=Collected(), cancel=Cancellation())
    session.keep("two")
    session.release("one")
    session.release("two")
    session.close()
    left = executor.leftovers(RUN.installation)
    assert [(item.name, item.kept is not None) for item in left] == [(RUN.name("two", "1", "commands"), True)]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"new": b"n", "src/b": b"changed"}, id="written"),
        pytest.param({"src": None}, id="folder-deleted"),
        pytest.param({"src": None, "src/own": b"x"}, id="folder-replaced"),
        pytest.param({"src/a": None}, id="file-deleted"),
        pytest.param({"src": b"file"}, id="folder-to-file"),
    ],
)
def test_a_restored_layer_in_memory_is_the_saved_one(files: Mapping[str, bytes | None]) -> None:
    one, two = (ScriptedExecutor().session(RUN).workspace for _ in range(2))
    for workspace in (one, two):
        workspace.fill("source", io.BytesIO(tar_of({"src/a": b"1", "src/b": b"2", "top": b"3"})))
    one.write("layer", files)
    two.restore("layer", one.save("layer", ["source"]))
    view = View(layer="layer", below=("source",))
    assert two.files(view) == one.files(view)


def test_what_is_no_saved_layer_is_refused() -> None:
    with pytest.raises(StorageError, match="no saved layer"):
        ScriptedExecutor().session(RUN).workspace.restore("a", io.BytesIO(tar_of({"f": b"x"})))
