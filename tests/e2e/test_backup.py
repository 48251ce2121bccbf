"""A backup is taken while the server works, and an empty machine goes on from it."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository
from environment.serving import Ground, ground

from pipeline.bootstrap import Application
from pipeline.model.status import StageState
from pipeline.operations.serving.asking import ask_run
from pipeline.ports.records import RunFilter

PIPELINE = """
version: 1
name: shop
defaults: {image: busybox}
stages:
  one: {source: false, commands: ["echo begun; sleep $PAUSE"], env: {PAUSE: "${{ variables.PAUSE }}"}}
variables: {PAUSE: "0"}
"""


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    with ground(ecluse, tmp_path) as made:
        yield made


def test_an_empty_machine_goes_on_from_a_backup(
    serving: Ground, git_repo: Callable[..., Repository], tmp_path: Path, ecluse: Command
) -> None:
    serving.look_after(git_repo({"pipeline.yml": PIPELINE}))
    app = serving.app
    app.vault.put("repository:anna/shop", "TOKEN", b"s3cret", by="anna")
    serving.worker()
    ended, running = (
        ask_run(app, "anna/shop", ref="", variables={"PAUSE": pause}, by="anna").id for pause in ("0", "120")
    )
    serving.item(ended)
    serving.run(running, lambda run: run.stage("one").state is StageState.RUNNING)

    file = tmp_path / "backup.tar"
    taken = ecluse("backup", str(file))
    assert taken.code == 0, taken.err
    assert file.stat().st_mode & 0o077 == 0
    assert ecluse("backup", str(file)).code == 2, "nothing is overwritten"
    assert ecluse("restore", str(file)).code == 4, "nor in the home"

    home = tmp_path / "elsewhere"
    assert ecluse("restore", str(file), env={"ECLUSE_HOME": str(home)}).code == 0
    again = Application({**serving.command.environment(serving.variables), "ECLUSE_HOME": str(home)})
    assert sqlite3.connect(home / "records.db").execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {run.id for run in again.records.runs(RunFilter())} == {ended, running}
    log = again.records.find_run(ended).stage("one").attempts[0].log
    assert b"begun\n" in again.storage.open(log).read()
    assert again.vault.get("repository:anna/shop", "TOKEN") == b"s3cret"
    assert (home / "secrets.key").stat().st_mode & 0o077 == 0
    assert again.settings.installation == app.settings.installation


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("text", b"not an archive at all" * 100, id="no archive"),
        pytest.param("other", None, id="another archive"),
    ],
)
def test_what_is_no_backup_is_refused(ecluse: Command, tmp_path: Path, name: str, content: bytes | None) -> None:
    file = tmp_path / name
    if content is None:
        with tarfile.open(file, "w") as archive:
            member = tarfile.TarInfo("../escaped")
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    else:
        file.write_bytes(content)
    refused = ecluse("restore", str(file), env={"ECLUSE_HOME": str(tmp_path / "elsewhere")})
    assert refused.code == 2
    assert "is no backup" in refused.err
    assert not (tmp_path / "escaped").exists()


def test_a_backup_cannot_write_outside_of_the_home(ecluse: Command, tmp_path: Path) -> None:
    taken = tmp_path / "backup.tar"
    assert ecluse("backup", str(taken)).code == 0
    with tarfile.open(taken, "a") as archive:
        member = tarfile.TarInfo("../escaped")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    refused = ecluse("restore", str(taken), env={"ECLUSE_HOME": str(tmp_path / "elsewhere")})
    assert refused.code == 2
    assert not (tmp_path / "escaped").exists()
