"""A backup of an installation on PostgreSQL: taken under writes, and an empty machine goes on from it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from environment.command import Command
from environment.postgres import Postgres, postgres
from environment.repository import Repository
from environment.serving import Ground, awaited, ground

from pipeline.bootstrap import Application
from pipeline.errors import RecordsError
from pipeline.model.decision import Block, BlockKind
from pipeline.model.release import Release
from pipeline.model.status import RunState
from pipeline.operations.serving.asking import ask_run
from pipeline.ports.records import RunFilter

PIPELINE = """
version: 1
name: shop
defaults: {image: busybox}
stages:
  one: {source: false, commands: ["echo begun"]}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.fixture
def databases(server: Postgres) -> Iterator[Callable[[], str]]:
    """Names of new databases."""
    made: list[str] = []

    def fresh() -> str:
        made.append(server.fresh())
        return made[-1]

    yield fresh
    for name in made:
        server.drop(name)


@pytest.fixture
def word(server: Postgres, tmp_path: Path) -> Path:
    """The password, as a file."""
    file = tmp_path / "database-password"
    file.write_text(server.password + "\n")
    return file


@pytest.fixture
def serving(
    ecluse: Command, tmp_path: Path, server: Postgres, databases: Callable[[], str], word: Path
) -> Iterator[Ground]:
    with ground(ecluse, tmp_path, **_address(server, databases(), word), ECLUSE_SLOTS="2") as made:
        yield made


def _address(server: Postgres, database: str, word: Path) -> dict[str, str]:
    plain = server.url(database).replace(f":{server.password}@", "@")
    return {"ECLUSE_DATABASE": plain, "ECLUSE_DATABASE_PASSWORD_FILE": str(word)}


def _write(app: Application, over: threading.Event) -> None:
    """Releases and holds, one after the other, each with its entry of the ledger."""
    number = 0
    while not over.is_set():
        number += 1
        release = Release(
            repository="shop", commit=f"{number:040x}", images={"push": "r/shop@sha256:" + "1" * 64},
            pipeline_digest="sha256:2", name=f"{number}-shop", run="01r", dirty=False, created=datetime.now(UTC),
        )  # fmt: skip
        app.records.save_release(release, actor="anna")
        hold = Block(
            id=f"h{number}", kind=BlockKind.HOLD, repository="shop", environment=f"e{number}", owner="eve",
            reason="count", created=datetime.now(UTC),
        )  # fmt: skip
        app.records.save_block(hold, actor="eve", action="hold.set")


def test_an_empty_machine_goes_on_from_it(
    serving: Ground,
    git_repo: Callable[..., Repository],
    tmp_path: Path,
    ecluse: Command,
    server: Postgres,
    databases: Callable[[], str],
    word: Path,
) -> None:
    app, file, home = serving.app, tmp_path / "backup.tar", tmp_path / "elsewhere"
    serving.look_after(git_repo({"pipeline.yml": PIPELINE}))
    app.vault.put("repository:anna/shop", "TOKEN", b"s3cret", by="anna")
    serving.worker()
    first, *others = (ask_run(app, "anna/shop", ref="", variables={}, by="anna").id for _ in range(6))
    serving.item(first)
    over = threading.Event()
    writer = threading.Thread(target=_write, args=(app, over))
    writer.start()
    try:
        awaited(lambda: len(app.records.ledger()) > 20)
        taken = ecluse("backup", str(file), env=serving.variables)
        then = len(app.records.ledger(limit=100_000))
    finally:
        over.set()
        writer.join()
    assert taken.code == 0, taken.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for id_ in others:
        serving.item(id_)

    variables = {**serving.variables, "ECLUSE_HOME": str(home), **_address(server, databases(), word)}
    put_back = ecluse("restore", str(file), env=variables)
    assert put_back.code == 0, put_back.err
    again = Application(ecluse.environment(variables))
    runs = again.records.runs(RunFilter())
    assert {run.id for run in runs} >= {first}
    for run in (again.records.find_run(run.id) for run in runs if run.state is RunState.DONE):
        for attempt in (attempt for stage in run.stages for attempt in stage.attempts):
            assert b"begun\n" in again.storage.open(attempt.log).read(), "what the database names is there"
    assert 20 < len(again.records.ledger(limit=100_000)) <= then
    verified = ecluse("ledger", "verify", env=variables)
    assert verified.code == 0, verified.out + verified.err
    assert again.vault.get("repository:anna/shop", "TOKEN") == b"s3cret"
    assert again.settings.installation == app.settings.installation
    with pytest.raises(RecordsError, match="append-only"), again._records.database().writing() as connection:
        connection.exec_driver_sql("DELETE FROM ledger WHERE seq = 1")

    full = ecluse("restore", str(file), env={**variables, "ECLUSE_HOME": str(tmp_path / "third")})
    assert (full.code, "is not empty" in full.err) == (4, True), full.err
    again._records.close()


FAKE = "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        pytest.param(None, "pg_dump is not on the PATH", id="not installed"),
        pytest.param(FAKE, "is of PostgreSQL 9, and the server is of 15", id="older than the server"),
        pytest.param("#!/bin/sh\necho broken >&2; exit 3\n", "does not work: broken", id="broken"),
    ],
)
def test_without_a_fitting_program_it_says_what_to_install(
    serving: Ground, ecluse: Command, tmp_path: Path, program: str | None, said: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    if program is not None:
        (tools / "pg_dump").write_text(program)
        (tools / "pg_dump").chmod(0o755)
    refused = ecluse("backup", str(tmp_path / "b.tar"), env={**serving.variables, "PATH": str(tools)})
    assert refused.code == 3
    assert said in refused.err
    assert "postgresql-client" in refused.err
    assert not (tmp_path / "b.tar").exists()


def test_the_password_is_on_no_command_line(serving: Ground, ecluse: Command, tmp_path: Path, server: Postgres) -> None:
    tools, seen = tmp_path / "tools", tmp_path / "seen"
    tools.mkdir()
    found = subprocess.run(
        ["sh", "-c", "command -v pg_dump"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (tools / "pg_dump").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{seen}\nexec {found} "$@"\n')
    (tools / "pg_dump").chmod(0o755)
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    taken = ecluse("backup", str(tmp_path / "b.tar"), "--json", env={**serving.variables, **path})
    assert taken.code == 0, taken.err
    assert json.loads(taken.out)["database"] == "postgresql"
    assert "--dbname=postgresql://" in seen.read_text()
    assert server.password not in seen.read_text()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        pytest.param({"ECLUSE_DATABASE": ""}, "is one of PostgreSQL", id="into SQLite"),
        pytest.param({"ECLUSE_DATABASE_PASSWORD_FILE": "/nowhere"}, "cannot be read from /nowhere", id="no password"),
    ],
)
def test_what_cannot_be_put_back_leaves_nothing(
    serving: Ground, ecluse: Command, tmp_path: Path, variables: Mapping[str, str], said: str
) -> None:
    file, home = tmp_path / "b.tar", tmp_path / "elsewhere"
    assert ecluse("backup", str(file), env=serving.variables).code == 0
    refused = ecluse("restore", str(file), env={**serving.variables, "ECLUSE_HOME": str(home), **variables})
    assert refused.code == 2
    assert said in refused.err
    assert not home.exists() or list(home.iterdir()) == []
