"""What a server says and does where it cannot start, where its database goes away, and where its disk is full."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from environment.command import Command
from environment.postgres import Postgres, postgres
from environment.servers import free_port
from environment.serving import Ground, Process, awaited, ground

from pipeline.records import sqlite_url
from pipeline.records.sql import SqlRecords

HOOK = b"a secret of this test"


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    with ground(ecluse, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


def _newer(home: Path) -> None:
    records = SqlRecords(sqlite_url(home))
    records.outlines()
    with records.database().writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    records.close()


Made = tuple[Mapping[str, str], tuple[str, ...]]


def _taken(stack: ExitStack, home: Path, server: Postgres) -> Made:
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    held.listen()
    return {}, ("--listen", f"127.0.0.1:{held.getsockname()[1]}")


def _no_folder(stack: ExitStack, home: Path, server: Postgres) -> Made:
    (home / "file").write_text("")
    return {"ECLUSE_HOME": str(home / "file/home")}, ()


def _wrong_password(stack: ExitStack, home: Path, server: Postgres) -> Made:
    return {"ECLUSE_DATABASE": server.url("postgres").replace(server.password, "wr0ng-w0rd")}, ()


def _no_database(stack: ExitStack, home: Path, server: Postgres) -> Made:
    return {"ECLUSE_DATABASE": server.url("nowhere")}, ()


def _nobody_there(stack: ExitStack, home: Path, server: Postgres) -> Made:
    return {"ECLUSE_DATABASE": f"postgresql://ecluse@127.0.0.1:{free_port()}/x"}, ()


def _of_the_future(stack: ExitStack, home: Path, server: Postgres) -> Made:
    _newer(home)
    return {}, ()


def _empty_word(stack: ExitStack, home: Path, server: Postgres) -> Made:
    (home / "word").write_text("\n")
    return {"ECLUSE_DATABASE": "postgresql://ecluse@h/x", "ECLUSE_DATABASE_PASSWORD_FILE": str(home / "word")}, ()


def _two_words(stack: ExitStack, home: Path, server: Postgres) -> Made:
    return {"ECLUSE_DATABASE": "postgresql://u:w@h/x", "ECLUSE_DATABASE_PASSWORD_FILE": str(home / "word")}, ()


@pytest.mark.parametrize(
    ("makes", "code", "said", "hint"),
    [
        pytest.param(_taken, 2, "Address already in use", "name another one in --listen", id="port in use"),
        pytest.param(
            lambda *_: ({}, ("--listen", "203.0.113.9:0")), 2, "cannot listen on 203.0.113.9:0",
            "this machine has no such address", id="not this machine's address",
        ),
        pytest.param(
            lambda *_: ({}, ("--listen", "127.0.0.1:99999")), 2, "is no HOST:PORT", "127.0.0.1:8380", id="no port"
        ),
        pytest.param(_no_folder, 3, "Not a directory", "point ECLUSE_HOME to a folder that is", id="no folder"),
        pytest.param(_of_the_future, 3, "has schema 9999", "install that version", id="newer schema"),
        pytest.param(_wrong_password, 3, "password authentication failed", "the password", id="wrong password"),
        pytest.param(_no_database, 3, '"nowhere" does not exist', "create the database", id="no such database"),
        pytest.param(_nobody_there, 3, "Connection refused", "check that the server runs", id="no PostgreSQL"),
        pytest.param(_empty_word, 2, "is empty", "write it there", id="empty password file"),
        pytest.param(_two_words, 2, "without a password", "postgresql://user@host/name", id="two passwords"),
    ],
)  # fmt: skip
def test_what_it_says_where_it_cannot_start(
    ecluse: Command,
    tmp_home: Path,
    server: Postgres,
    makes: Callable[[ExitStack, Path, Postgres], Made],
    code: int,
    said: str,
    hint: str,
) -> None:
    with ExitStack() as stack:
        variables, words = makes(stack, tmp_home, server)
        ended = ecluse("serve", *(words or ("--listen", "127.0.0.1:0")), env=variables)
    assert ended.code == code, ended.err
    assert said in ended.err
    assert hint in ended.err
    assert "Traceback" not in ended.err
    assert server.password not in ended.err
    assert "wr0ng-w0rd" not in ended.err


@pytest.mark.parametrize(
    ("until", "number"),
    [
        pytest.param(lambda _: None, signal.SIGTERM, id="at once"),
        pytest.param(lambda process: process.url, signal.SIGTERM, id="when it has just answered"),
        pytest.param(lambda process: process.url, signal.SIGINT, id="by Ctrl-C"),
    ],
)
def test_it_can_be_ended_at_any_moment(
    serving: Ground, until: Callable[[Process], object], number: signal.Signals
) -> None:
    process = serving.serve()
    until(process)
    process.popen.send_signal(number)
    code = process.popen.wait(120)
    assert code in (0, 130, 143, -number), process.said
    assert "Traceback" not in process.said
    assert serving.serve().url, "and the next one starts"


def tell(url: str) -> httpx.Response:
    """A push, as the script in a bare repository tells of it."""
    body = json.dumps({"actor": "anna", "changes": [{"ref": "refs/heads/x", "before": "0" * 40, "after": "1" * 40}]})
    stamp, id_ = str(int(time.time())), secrets.token_hex(8)
    mac = hmac.new(HOOK, f"{stamp}.{id_}.".encode() + body.encode(), hashlib.sha256).hexdigest()
    headers = {
        "x-ecluse-event": "push",
        "x-ecluse-delivery": id_,
        "x-ecluse-timestamp": stamp,
        "x-ecluse-signature-256": f"sha256={mac}",
    }
    return httpx.post(f"{url}/hooks/anna/shop", content=body, headers=headers, trust_env=False, timeout=60)


def status(url: str, path: str) -> int:
    return httpx.get(url + path, trust_env=False, timeout=60).status_code


@pytest.fixture
def database(engine: str, images: Any, installation: str) -> Iterator[tuple[str, Callable[[str], None]]]:
    """The address of a PostgreSQL in a container, and how it is stopped and started."""
    port, name, word = free_port(), f"ecluse-postgres-{secrets.token_hex(4)}", secrets.token_hex(8)

    def docker(*words: str) -> None:
        subprocess.run(["docker", *words], check=True, capture_output=True)

    docker(
        "run", "--detach", "--name", name, "--label", f"io.ecluse.installation={installation}",
        "--publish", f"127.0.0.1:{port}:5432", "--env", f"POSTGRES_PASSWORD={word}", images.postgres,
    )  # fmt: skip
    try:
        ready = ["docker", "exec", name, "pg_isready", "-q", "-h", "127.0.0.1"]
        awaited(lambda: subprocess.run(ready, capture_output=True).returncode == 0)
        yield f"postgresql://postgres:{word}@127.0.0.1:{port}/postgres", lambda what: docker(what, name)
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True)


def test_without_its_database_it_lives_and_is_not_ready(
    ecluse: Command,
    tmp_path: Path,
    git_repo: Callable[..., Any],
    database: tuple[str, Callable[[str], None]],
) -> None:
    address, do = database
    with ground(ecluse, tmp_path, ECLUSE_DATABASE=address) as serving:
        serving.look_after(git_repo({"a": "1"}))
        serving.app.vault.put("hook:anna/shop", "secret", HOOK, by="anna")
        server = serving.serve()
        assert (status(server.url, "/readyz"), tell(server.url).status_code) == (200, 202)
        do("stop")
        assert (status(server.url, "/healthz"), status(server.url, "/readyz")) == (200, 503)
        refused = tell(server.url)
        assert (refused.status_code, "127.0.0.1" in refused.text) == (503, False), "a stranger learns nothing"
        assert int(refused.headers["retry-after"]) > 0
        do("start")
        awaited(lambda: status(server.url, "/readyz") == 200, lambda: server.said)
        awaited(lambda: tell(server.url).status_code == 202, lambda: server.said)
        serving.app._records.close()  # its connections were of the server before
        states = [delivery.state.value for delivery in serving.app.intake.deliveries()]
        assert len(states) == 2, "those that were answered 202, and no other"
        assert server.stop() == 0
        serving.app.records.close()


def test_a_disk_that_is_nearly_full_makes_it_not_ready(serving: Ground) -> None:
    server = serving.serve(ECLUSE_SPACE_RESERVE=str(10**18))
    answer = httpx.get(f"{server.url}/readyz", trust_env=False)
    assert answer.status_code == 503
    assert "the disk is nearly full" in answer.text
    assert status(server.url, "/healthz") == 200


def test_a_full_disk_keeps_no_half_of_a_webhook(ecluse: Command, tmp_home: Path, git_repo: Callable[..., Any]) -> None:
    """In a file system of 6 MB, which ends with its namespace."""
    with ground(ecluse, tmp_home.parent, ECLUSE_SPACE_RESERVE="0") as serving:
        serving.look_after(git_repo({"a": "1"}))
        serving.app.vault.put("hook:anna/shop", "secret", HOOK, by="anna")
        serving.app._records.close()
        small = tmp_home.parent / "small"
        small.mkdir()
        log = tmp_home.parent / "small.log"
        script = (
            f"mount -t tmpfs -o size=6m tmpfs {small} && cp -a {tmp_home}/. {small}/ && "
            f"exec {ecluse.program} serve --no-worker --listen 127.0.0.1:0"
        )
        variables = serving.command.environment({**serving.variables, "ECLUSE_HOME": str(small)})
        with log.open("wb") as out:
            popen = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", script],
                env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
        server = Process(popen=popen, log=log)
        serving.started.append(server)
        url = server.url
        within = Path(f"/proc/{popen.pid}/root{small}")
        assert tell(url).status_code == 202
        filler = within / "filler"
        handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while True:
                os.write(handle, b"x" * 4096)
        os.close(handle)
        answers = [tell(url).status_code for _ in range(25)]
        assert 503 in answers, server.said
        assert set(answers) <= {202, 503}, server.said
        assert status(url, "/healthz") == 200
        filler.unlink()
        awaited(lambda: tell(url).status_code == 202, lambda: server.said, patience=60)
        shutil.copytree(within, tmp_home.parent / "copy", ignore=shutil.ignore_patterns("mirrors"))
        records = SqlRecords(sqlite_url(tmp_home.parent / "copy"))
        with records.database().reading() as connection:
            kept = connection.exec_driver_sql("SELECT count(*) FROM deliveries").scalar_one()
            sound = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
        records.close()
        assert (kept, sound) == (1 + answers.count(202) + 1, "ok"), "those that were answered 202, and no other"
