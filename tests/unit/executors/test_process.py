"""The process executor: real commands of this host, and nothing of them left."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.errors import EngineError, StorageError, UsageError
from pipeline.executors.process import ProcessExecutor
from pipeline.executors.process_host import marked
from pipeline.model.container import ContainerSpec, Exit, Network, Stream, View
from pipeline.model.definition import Resources, ServiceDefinition
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.executor import Output, Session
from pipeline.settings import Settings

RUN = "01jd0000000000000000000001"


class Printed:
    """An Output that keeps what it is told."""

    def __init__(self) -> None:
        self.out = b""
        self.notes: list[str] = []
        self.starts = 0
        self.said = threading.Event()

    def write(self, stream: Stream, chunk: bytes) -> None:
        del stream
        self.out += chunk
        self.said.set()

    def starting(self) -> None:
        self.starts += 1

    def replaying(self) -> None:
        self.chunks.clear()

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        self.chunks.append((stream, lines))

    def note(self, line: str) -> None:
        self.notes.append(line)

    def service(self, name: str) -> Output:
        raise AssertionError(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def executor(settings: Settings) -> ProcessExecutor:
    return ProcessExecutor(settings)


def identity(settings: Settings, run: str = RUN) -> RunIdentity:
    return RunIdentity(installation=settings.installation, run=run)


@pytest.fixture
def session(executor: ProcessExecutor, settings: Settings) -> Iterator[Session]:
    opened = executor.open(identity(settings), lanes=2)
    yield opened
    opened.close()


def shell(script: str, *, stage: str = "unit", below: tuple[str, ...] = (), **more: object) -> ContainerSpec:
    values: dict[str, object] = {
        "command": ("sh", "-c", script),
        "stage": stage,
        "attempt": 1,
        "step": "main",
        "image": "",
        "view": View(layer=stage, below=below),
    }
    return ContainerSpec(**(values | more))  # type: ignore[arg-type]  # its own fields


def run(session: Session, spec: ContainerSpec, *, stdin: bytes = b"") -> tuple[Exit, Printed]:
    printed = Printed()
    return session.execute(spec, output=printed, cancel=Cancellation(), stdin=stdin), printed


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def entry(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


class TestCommands:
    def test_the_environment_is_clean(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ECLUSE_SECRET_TOKEN", "of the host")
        monkeypatch.setenv("SOMETHING", "of the host")
        _, printed = run(session, shell("env; pwd", environment={"MINE": "yes"}))
        *lines, folder = printed.out.decode().splitlines()
        names = {line.partition("=")[0] for line in lines}
        assert {"PATH", "HOME", "TMPDIR", "LANG", "MINE", "ECLUSE_WORKSPACE", "ECLUSE_PROCESS"} <= names
        assert not {"ECLUSE_SECRET_TOKEN", "SOMETHING"} & names
        assert f"ECLUSE_WORKSPACE={folder}" in lines
        assert f"HOME={os.environ['HOME']}" not in lines

    def test_stages_that_follow_each_other_see_the_same_path(self, session: Session) -> None:
        first, second = (run(session, shell("pwd", stage=stage))[1].out for stage in ("a", "b"))
        assert first == second

    @pytest.mark.parametrize(
        ("workdir", "folder"),
        [
            pytest.param("/workspace", "", id="the workspace"),
            pytest.param("/workspace/a/b", "/a/b", id="below it"),
            pytest.param("a/b", "/a/b", id="relative"),
            pytest.param("a/../c", "/c", id="normalised"),
        ],
    )
    def test_the_working_folder_is_made(self, session: Session, workdir: str, folder: str) -> None:
        _, printed = run(session, shell('echo "${PWD#$ECLUSE_WORKSPACE}"', workdir=workdir))
        assert printed.out.decode() == f"{folder}\n"

    def test_a_folder_of_the_host_may_be_the_working_folder(self, session: Session) -> None:
        assert run(session, shell("pwd", workdir="/usr"))[1].out == b"/usr\n"

    @pytest.mark.parametrize("workdir", ["/no/such/folder", "../../outside"])
    def test_a_working_folder_elsewhere_is_not_made(self, session: Session, workdir: str) -> None:
        with pytest.raises(UsageError, match="is no folder of this host"):
            run(session, shell("true", workdir=workdir))

    def test_what_an_engine_would_do_is_said_once(self, session: Session) -> None:
        asked = shell("true", image="python:3.12", user="1000", network=Network.NONE, hardened=True)
        assert run(session, asked)[1].notes == [
            "commands run on this host: image, user, network: none, hardened ignored"
        ]
        again = run(session, asked)[1]
        assert (again.notes, again.starts) == ([], 1)

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            pytest.param(
                shell("true", services=(ServiceDefinition(name="db", image="x"),)),
                "services need an engine",
                id="services",
            ),
            pytest.param(
                ContainerSpec(stage="unit", attempt=1, step="main", image="x"),
                "an image's own command needs an engine",
                id="own command",
            ),
        ],
    )
    def test_what_needs_an_engine_is_refused(self, session: Session, spec: ContainerSpec, message: str) -> None:
        with pytest.raises(UsageError, match=f"stage 'unit': {message}") as caught:
            run(session, spec)
        assert "--executor docker" in caught.value.hint

    def test_a_command_that_is_not_there_ends_with_127(self, session: Session) -> None:
        spec = ContainerSpec(stage="unit", attempt=1, step="main", image="", command=("no-such-command", "x"))
        ended, printed = run(session, spec)
        assert (ended.code, printed.notes) == (127, ["no-such-command: not found on this host"])

    def test_a_command_that_is_no_program_ends_with_126(self, session: Session) -> None:
        spec = ContainerSpec(stage="unit", attempt=1, step="main", image="", command=("/etc/hostname",))
        assert run(session, spec)[0].code == 126

    def test_memory_is_limited_and_the_limit_is_inherited(self, session: Session) -> None:
        script = f"'{sys.executable}' -c 'bytearray(200 * 2**20)' 2>&1 | tail -1"
        limited = shell(script, resources=Resources(memory=100 * 2**20))
        assert run(session, limited)[1].out == b"MemoryError\n"
        assert run(session, shell(script))[1].out == b""

    def test_arguments_arrive_as_they_are_under_a_limit(self, session: Session) -> None:
        spec = shell("", command=("printf", "%s|", "a b", "$x", "'"), resources=Resources(memory=2**30))
        assert run(session, spec)[1].out == b"a b|$x|'|"

    def test_cores_are_limited_for_the_command_alone(self, session: Session) -> None:
        before = os.sched_getaffinity(0)
        script = f"'{sys.executable}' -c 'import os; print(len(os.sched_getaffinity(0)))'"
        assert run(session, shell(script, resources=Resources(cpu=0.5)))[1].out == b"1\n"
        assert os.sched_getaffinity(0) == before


class TestEnds:
    @pytest.mark.parametrize(
        "script",
        [
            pytest.param("sleep $LONG & echo started", id="in the background"),
            pytest.param("setsid sleep $LONG >/dev/null 2>&1 & echo started", id="in a session of its own"),
            pytest.param(
                "(setsid setsid sleep $LONG &) ; echo started", id="holding the output in a session of its own"
            ),
            pytest.param("env -i sleep $LONG & echo started", id="without the mark"),
            pytest.param("nohup sh -c 'trap \"\" TERM HUP; sleep $LONG' & echo started", id="ignoring signals"),
        ],
    )
    def test_nothing_that_was_started_runs_on(self, session: Session, script: str) -> None:
        long = f"{600 + secrets.randbelow(10**9) / 10**9:.9f}"
        ended, printed = run(session, shell(script, environment={"LONG": long}))
        assert ended.code == 0
        assert printed.out.endswith(b"started\n")
        assert not _sleeps(long)
        assert marked(RUN) == frozenset()

    def test_cancelling_keeps_what_was_written_so_far(self, session: Session) -> None:
        cancel, printed, results = Cancellation(), Printed(), list[Exit]()
        spec = shell("echo half > report; echo ready; sleep 600", grace=5.0)
        thread = threading.Thread(target=lambda: results.append(session.execute(spec, output=printed, cancel=cancel)))
        thread.start()
        assert printed.said.wait(30)
        cancel.cancel("enough")
        thread.join(30)
        assert [(item.code, item.cancelled) for item in results] == [(143, True)]
        assert [item.content.read() for item in session.workspace.read(View(layer="unit"), ["report"])] == [b"half\n"]

    def test_a_cancellation_that_comes_late_hurts_nobody(self, session: Session) -> None:
        cancel = Cancellation()
        ended = session.execute(shell("true"), output=Printed(), cancel=cancel)
        cancel.cancel("too late")
        assert not ended.cancelled


def _sleeps(seconds: str) -> bool:
    """Whether a process of this host runs `sleep` for just so long."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == f"sleep\0{seconds}\0".encode():
                return True
    return False


class TestLayers:
    def test_a_lower_layer_never_changes(self, session: Session, settings: Settings) -> None:
        run(session, shell("echo one > file; mkdir d; echo x > d/x; ln -s file link", stage="a"))
        lower = settings.home / "work" / RUN / "layers" / "a.layer"
        before = {path: path.lstat() for path in lower.rglob("*")}
        run(
            session,
            shell("echo two >> file; rm -r d; chmod 600 link; touch -d 2001-01-01 file", stage="b", below=("a",)),
        )
        assert {path: path.lstat() for path in lower.rglob("*")} == before

    def test_a_write_right_after_the_copy_that_keeps_size_and_time_is_seen(self, session: Session) -> None:
        run(session, shell("printf a > file; touch -d 2001-01-01 file; cp -p file other", stage="a"))
        run(session, shell("printf b > file; touch -d 2001-01-01 file", stage="b", below=("a",)))
        seen = {item.path: item.content.read() for item in session.workspace.read(View(layer="b", below=("a",)), ["*"])}
        assert seen == {"file": b"b", "other": b"a"}

    def test_times_and_modes_are_handed_on(self, session: Session) -> None:
        run(session, shell("echo x > old; touch -d 2001-02-03T04:05:06Z old; chmod 750 old; mkdir -m 711 d", stage="a"))
        script = "stat -c '%Y %a' old; stat -c %a d"
        assert run(session, shell(script, stage="b", below=("a",)))[1].out == b"981173106 750\n711\n"

    def test_only_what_changed_is_in_the_layer(self, session: Session, settings: Settings) -> None:
        run(session, shell("mkdir d; echo 1 > d/one; echo 2 > d/two; echo 3 > three", stage="a"))
        run(session, shell("echo new > d/two; rm three", stage="b", below=("a",)))
        layer = settings.home / "work" / RUN / "layers" / "b.layer"
        assert [str(path.relative_to(layer)) for path in sorted(layer.rglob("*"))] == [
            "files",
            "files/d",
            "files/d/two",
            "removed",
        ]
        assert (layer / "removed").read_bytes() == b"three"

    def test_what_a_stage_shut_can_be_kept_and_removed(self, session: Session) -> None:
        run(
            session,
            shell("mkdir -p d/e; echo x > d/e/f; mkfifo pipe; chmod 000 d/e/f; chmod 500 d/e; chmod 000 d", stage="a"),
        )
        assert [item.path for item in session.workspace.read(View(layer="a"), ["**"])] == ["d/e/f"]

    def test_a_later_session_of_the_run_finds_the_layers(
        self, session: Session, executor: ProcessExecutor, settings: Settings
    ) -> None:
        run(session, shell("echo 1 > gone; echo kept > kept", stage="a"))
        run(session, shell("rm gone", stage="b", below=("a",)))
        later = executor.open(identity(settings), lanes=1)
        assert run(later, shell("ls", stage="c", below=("b", "a")))[1].out == b"kept\n"

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            pytest.param([(entry("../x"), b"")], "outside the workspace", id="parent"),
            pytest.param([(entry("/etc/x"), b"")], "outside the workspace", id="absolute"),
            pytest.param(
                [(entry("out", kind=tarfile.SYMTYPE, link="/tmp"), b""), (entry("out/x"), b"x")],
                "goes through a link",
                id="through a symlink",
            ),
            pytest.param(
                [(entry("x", kind=tarfile.LNKTYPE, link="../../held"), b"")], "which it does not hold", id="hard link"
            ),
            pytest.param(
                [(entry("d", kind=tarfile.DIRTYPE), b""), (entry("d"), b"")], "where there is a folder", id="two kinds"
            ),
        ],
    )
    def test_an_archive_cannot_leave_the_workspace(
        self, session: Session, members: list[tuple[tarfile.TarInfo, bytes]], message: str
    ) -> None:
        with pytest.raises(StorageError, match=message):
            session.workspace.fill("a", [tar_of(*members)])

    def test_a_broken_archive_is_said(self, session: Session) -> None:
        with pytest.raises(StorageError, match="archive of layer 'a' is broken"):
            session.workspace.fill("a", [b"no tar" * 500])

    def test_a_name_twice_in_an_archive_keeps_the_last(self, session: Session) -> None:
        session.workspace.fill("a", [tar_of((entry("x"), b"1"), (entry("x"), b"2"))])
        assert [item.content.read() for item in session.workspace.read(View(layer="a"), ["x"])] == [b"2"]


KILLED_RUNNER = """
import sys
from pathlib import Path
from pipeline.executors.process import ProcessExecutor
from pipeline.model.container import ContainerSpec, View
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.settings import Settings
class Output:
    def write(self, stream, chunk): print(chunk.decode(), end="", flush=True)
    def starting(self): pass
    def note(self, line): pass
settings = Settings(home=Path(sys.argv[1]))
session = ProcessExecutor(settings).open(RunIdentity(installation=settings.installation, run=sys.argv[2]), lanes=1)
def run(stage, script):
    command = ("sh", "-c", script)
    spec = ContainerSpec(stage=stage, attempt=1, step="main", image="", command=command, view=View(layer=stage))
    session.execute(spec, output=Output(), cancel=Cancellation())
run("done", "echo kept > kept")
run("long", "echo started; setsid sleep 601 & wait")
"""


class TestKilledRunner:
    @pytest.fixture
    def killed(self, settings: Settings) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED_RUNNER, str(settings.home), RUN], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.kill()
        process.wait()
        process.stdout.close()
        assert marked(RUN)

    def test_its_folder_is_found_and_removed_with_its_processes(
        self, killed: None, executor: ProcessExecutor, settings: Settings
    ) -> None:
        (left,) = executor.leftovers(settings.installation)
        assert (left.kind, left.run) == ("folder", RUN)
        executor.remove((left,))
        assert executor.leftovers(settings.installation) == ()
        assert marked(RUN) == frozenset()
        assert not Path(left.name).exists()

    def test_the_next_session_of_the_run_ends_them_and_goes_on(
        self, killed: None, executor: ProcessExecutor, settings: Settings
    ) -> None:
        session = executor.open(identity(settings), lanes=1)
        assert run(session, shell("cat kept", stage="long", below=("done",)))[1].out == b"kept\n"
        assert marked(RUN) == frozenset()
        session.close()
        assert list((settings.home / "work").iterdir()) == []

    def test_another_installation_sees_nothing(
        self, killed: None, executor: ProcessExecutor, settings: Settings
    ) -> None:
        assert executor.leftovers("f" * 32) == ()
        executor.remove(executor.leftovers(settings.installation))


def test_a_run_that_is_alive_is_no_leftover(executor: ProcessExecutor, settings: Settings, session: Session) -> None:
    run(session, shell("true"))
    assert executor.leftovers(settings.installation) == ()
    session.close()
    assert list((settings.home / "work").iterdir()) == []


def test_opening_and_closing_touches_nothing(executor: ProcessExecutor, settings: Settings) -> None:
    executor.open(identity(settings), lanes=4).close()
    assert not (settings.home / "work").exists()


def test_a_work_folder_that_cannot_be_made_is_explained(executor: ProcessExecutor, settings: Settings) -> None:
    identified = identity(settings)
    (settings.home / "work").write_text("in the way")
    with pytest.raises(EngineError, match="cannot make the work folder") as caught:
        run(executor.open(identified, lanes=1), shell("true"))
    assert "ECLUSE_HOME" in caught.value.hint


def test_stages_side_by_side_do_not_take_each_others_folder(session: Session) -> None:
    def writes(number: int) -> bytes:
        spec = shell(f"echo {number} > own", stage=f"s{number}")
        ended, _ = run(session, spec)
        assert ended.code == 0
        with contextlib.closing(session.workspace.read(View(layer=f"s{number}"), ["own"])) as files:
            return b"".join(file.content.read() for file in files)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(writes, range(160))) == [b"%d\n" % number for number in range(160)]
