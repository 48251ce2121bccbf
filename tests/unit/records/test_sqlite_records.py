"""What SQLite records survive: other processes, kill -9, full disks, foreign and damaged files, and meddling."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from records_writer import PLAN, RELEASE, promotion, run

from pipeline.errors import EcluseError, RecordsError
from pipeline.model.ledger import verify
from pipeline.ports.records import RunFilter
from pipeline.records import SqlRecords, sqlite_url
from pipeline.records.database import Database
from pipeline.records.revisions import REVISIONS

WRITER = Path(__file__).with_name("records_writer.py")


def writer(url: str, name: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), url, name, str(times)],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def test_importing_and_making_records_imports_no_database_library() -> None:
    code = (
        "import sys; from pipeline.records import SqlRecords; SqlRecords('sqlite:////nowhere/x.db');"
        "print([name for name in ('sqlalchemy', 'alembic', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_up_to_date_database_is_opened_without_alembic(tmp_path: Path) -> None:
    SqlRecords(sqlite_url(tmp_path)).runs(RunFilter())
    code = (
        "import sys; from pipeline.records import SqlRecords; from pipeline.ports.records import RunFilter;"
        f"SqlRecords({sqlite_url(tmp_path)!r}).runs(RunFilter()); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_processes_that_start_at_once_share_one_database(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "not" / "there yet")
    writers = [writer(url, name, 15) for name in ("a", "b", "c")]
    lines = [line for process in writers for line in process.communicate(timeout=120)[0].splitlines()]
    assert [process.returncode for process in writers] == [0, 0, 0]
    numbers, seqs = zip(*(map(int, line.split()) for line in lines), strict=True)
    assert sorted(numbers) == list(range(1, 46))
    assert sorted(seqs) == list(range(2, 47))  # behind the entry of the release
    assert verify(SqlRecords(url).ledger()) is None


def _by_the_tables(url: str) -> Callable[[str], object]:
    records = SqlRecords(url)
    records.runs(RunFilter())
    return lambda name: records.save_promotion(promotion(name), actor="anna", action="promotion.deployed", data={})


def _by_the_spool(url: str) -> Callable[[str], object]:
    records = SqlRecords(url)
    return lambda name: records.create_run(run(name, "shop"), PLAN)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(_by_the_tables, _by_the_tables, id="opened-twice"),
        pytest.param(_by_the_spool, _by_the_tables, id="spool-and-tables"),
        pytest.param(_by_the_tables, _by_the_spool, id="tables-and-spool"),
    ],
)
def test_another_process_that_leaves_takes_nothing_away(
    tmp_path: Path, first: Callable[[str], Callable[[str], object]], second: Callable[[str], Callable[[str], object]]
) -> None:
    url = sqlite_url(tmp_path)
    SqlRecords(url).save_release(RELEASE)
    ways = []
    for number, way in enumerate((first, second)):
        ways.append(way(url))
        ways[-1](f"before-{number}")
    assert writer(url, "other", 1).wait(60) == 0  # the last to leave would take the write-ahead log away
    for number, write in enumerate(ways):
        write(f"after-{number}")
    with sqlite3.connect(tmp_path / "records.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    read = (
        "import sys; from pipeline.records import SqlRecords; from pipeline.ports.records import RunFilter;"
        f"records = SqlRecords({url!r}); print(*[item.id for item in records.promotions(limit=99)],"
        "*[item.id for item in records.runs(RunFilter())])"
    )
    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)
    assert {"before-0", "before-1", "after-0", "after-1"} <= set(done.stdout.split())


def test_threads_share_one_database(tmp_path: Path) -> None:
    records = SqlRecords(sqlite_url(tmp_path))
    numbers: list[int] = []

    def work(name: str) -> None:
        numbers.extend(records.create_run(run(f"{name}{index}", "shop"), PLAN) for index in range(10))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 41))


@pytest.mark.parametrize("commits", [1, 7, 20])
def test_what_was_committed_survives_kill_9(tmp_path: Path, commits: int) -> None:
    url = sqlite_url(tmp_path)
    process = writer(url, "w", 0)
    assert process.stdout is not None
    seen = list(itertools.islice(process.stdout, commits))
    process.kill()
    seen += process.stdout.readlines()
    process.wait()
    records = SqlRecords(url)
    number, seq = map(int, seen[-1].split())
    entries = records.ledger()
    runs = records.runs(RunFilter(limit=10_000))
    assert len(entries) >= seq
    assert verify(entries) is None
    assert sorted(item.number for item in runs) == list(range(1, len(runs) + 1))
    assert len(runs) >= number
    assert {item.id for item in records.promotions(limit=10_000)} == {entry.subject for entry in entries[1:]}
    with sqlite3.connect(tmp_path / "records.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert records.create_run(run("next", "shop"), PLAN) == len(runs) + 1


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        pytest.param("UPDATE ledger SET actor = 'x'", "append-only", id="update"),
        pytest.param("DELETE FROM ledger", "append-only", id="delete"),
        pytest.param(
            "INSERT OR REPLACE INTO ledger SELECT seq, time, 'x', action, subject, reason, data, previous, hash "
            "FROM ledger WHERE seq = 2",
            "must follow the last one",
            id="replace",
        ),
        pytest.param(
            "INSERT INTO ledger SELECT seq + 3, time, actor, action, subject, reason, data, previous, hash FROM ledger",
            "must follow the last one",
            id="leave a gap",
        ),
    ],
)
def test_the_ledger_refuses_to_be_changed(tmp_path: Path, statement: str, message: str) -> None:
    records = SqlRecords(sqlite_url(tmp_path))
    records.save_release(RELEASE)
    entry = records.save_promotion(promotion("p1"), actor="anna", action="deployed", data={})
    with sqlite3.connect(tmp_path / "records.db") as connection, pytest.raises(sqlite3.IntegrityError, match=message):
        connection.execute(statement)
    assert records.ledger(after=1) == [entry]
    assert verify(records.ledger()) is None


def test_ledger_entries_are_flushed_and_working_state_is_not(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path), wait=1)
    levels = []
    for transaction in (database.durable, database.writing, database.reading):
        with transaction() as connection:
            levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
    assert levels == [2, 1, 1]  # FULL, NORMAL, NORMAL
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


FILL_THE_DISK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from records_writer import PLAN, run
from pipeline.errors import DiskFullError
from pipeline.ports.records import RunFilter
from pipeline.records import SqlRecords, sqlite_url
records = SqlRecords(sqlite_url(Path(sys.argv[1])))
number = records.create_run(run("first", "shop"), PLAN)
try:
    while True:
        number = records.create_run(run(f"run{number}", "shop"), PLAN)
except DiskFullError as error:
    print(error.message, "|", error.hint)
print(len(records.runs(RunFilter(limit=10**6))) == number)
(Path(sys.argv[1]) / "ballast").unlink()
print(records.create_run(run("next", "shop"), PLAN) == number + 1)
"""


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    """On a real file system of 1 MiB, mounted where nobody else sees it; space that comes back is used."""
    own_mounts = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    script = (
        'mount -t tmpfs -o size=1m tmpfs "$1" && head -c 400000 /dev/zero > "$1/ballast" && exec "$2" -c "$3" "$1" "$4"'
    )
    done = subprocess.run(
        [*own_mounts, "sh", "-c", script, "sh", str(tmp_path), sys.executable, FILL_THE_DISK, str(WRITER.parent)],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    said, kept, resumed = done.stdout.splitlines()
    assert "records.db: no space is left | free some space (`ecluse gc`" in said
    assert (kept, resumed) == ("True", "True")


def test_a_locked_database_says_who_is_in_the_way(tmp_path: Path) -> None:
    records = SqlRecords(sqlite_url(tmp_path), wait=0.05)
    records.runs(RunFilter())
    other = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordsError, match="database is locked") as caught:
        records.create_run(run("r1", "shop"), PLAN)
    assert "another process holds the database" in caught.value.hint
    assert records.runs(RunFilter()) == []
    other.execute("ROLLBACK")
    other.close()
    assert records.create_run(run("r1", "shop"), PLAN) == 1


def _foreign(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 500)


def _damaged(path: Path) -> None:
    records = SqlRecords(f"sqlite:///{path}")
    records.create_run(run("r1", "shop"), PLAN)
    records.close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xaa" * (len(content) - 100)
    path.write_bytes(content)


def _newer(path: Path) -> None:
    SqlRecords(f"sqlite:///{path}").runs(RunFilter())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def _folder(path: Path) -> None:
    path.mkdir()


def _parent_is_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


@pytest.mark.parametrize(
    ("prepare", "message", "hint"),
    [
        pytest.param(_foreign, "file is not a database", "this file is something else", id="not a database"),
        pytest.param(_damaged, "malformed", "put a backup in its place", id="damaged"),
        pytest.param(
            _newer, f"has schema 9999, this ecluse knows schemas up to {REVISIONS[-1]}", "newer ecluse", id="newer"
        ),
        pytest.param(_folder, "Is a directory", "folder writable", id="a folder in its place"),
        pytest.param(_parent_is_a_file, "File exists", "folder writable", id="a file in its folder's place"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(
    tmp_path: Path, prepare: Callable[[Path], object], message: str, hint: str
) -> None:
    path = tmp_path / "home" / "records.db"
    path.parent.mkdir()
    prepare(path)
    with pytest.raises(RecordsError, match=message) as caught:
        SqlRecords(f"sqlite:///{path}").runs(RunFilter())
    assert str(path) in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("records.db", id="a path"),
        pytest.param("sqlite://", id="in memory"),
        pytest.param("mysql://x/y", id="another database"),
    ],
)
def test_an_address_that_is_none_is_explained(url: str) -> None:
    with pytest.raises(EcluseError, match="the setting 'database' is not an address") as caught:
        SqlRecords(url).runs(RunFilter())
    assert "sqlite:////path/to/file.db" in caught.value.hint


def test_a_server_that_does_not_answer_hides_the_password() -> None:
    with pytest.raises(RecordsError) as caught:
        SqlRecords("postgresql://anna:secret@127.0.0.1:1/shop").runs(RunFilter())
    assert "secret" not in caught.value.message
    assert caught.value.hint


def test_closed_records_open_again(tmp_path: Path) -> None:
    records = SqlRecords(sqlite_url(tmp_path))
    records.create_run(run("r1", "shop"), PLAN)
    records.close()
    records.close()
    assert records.create_run(run("r2", "shop"), PLAN) == 2
