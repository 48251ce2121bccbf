"""A PostgreSQL server on a free loopback port with a folder of its own, run by a user that is not root."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .packages import locate
from .progress import UnavailableError
from .servers import free_port, server_environment, serving

PACKAGE = "postgresql-15"
PROGRAMS = Path("/usr/lib/postgresql/15/bin")
USER = "ecluse"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that answers on 127.0.0.1; `fresh` makes databases in it."""

    port: int
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """The address as users write it into the setting `database`."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def fresh(self, *, template: str = "template1") -> str:
        """The name of a new database, a copy of the template."""
        name = f"test_{secrets.token_hex(6)}"
        self._order(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected."""
        self._order(f"DROP DATABASE {database} WITH (FORCE)")

    def _order(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres(**settings: str) -> Iterator[Postgres]:
    """A server for as long as the body runs, with these settings (`fsync="on"`); its folder goes with it."""
    program = _program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="ecluse-postgres-", dir="/tmp"))
    made = Postgres(port=free_port(), password=secrets.token_hex(12))
    try:
        _own(folder)
        word = folder / "password"
        word.write_text(made.password)
        _own(word)
        command = [
            _program("initdb"),
            "-D",
            folder / "data",
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        done = subprocess.run(
            [*_as_another(), *map(str, command), "--locale=C.UTF-8", f"--pwfile={word}"],
            cwd=folder,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise UnavailableError(f"initdb failed: {done.stderr.strip()[-400:]}")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(made.port),
            "unix_socket_directories": "",
            "fsync": "off",
            **settings,
        }
        words = [program, "-D", str(folder / "data"), *(f"--{name}={value}" for name, value in options.items())]
        with serving([*_as_another(), *words], log=folder.with_suffix(".log"), ready=lambda: _answers(made)):
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".log").unlink(missing_ok=True)


def _answers(server: Postgres) -> bool:
    import psycopg

    try:
        psycopg.connect(server.url("postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _program(name: str) -> str:
    path = PROGRAMS / name
    found = str(path) if path.exists() else locate(name)
    if found is None:
        raise UnavailableError(
            f"{name} is missing: run `make test`, which installs it, "
            f"or apt-get install --no-install-recommends {PACKAGE}"
        )
    return found


def _as_another() -> list[str]:
    """PostgreSQL refuses to run as root; the kernel's `nobody` owns nothing else."""
    if os.geteuid():
        return []
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=INT", "--"]


def _own(path: Path) -> None:
    if not os.geteuid():
        shutil.chown(path, "nobody", "nogroup")
    path.chmod(0o700 if path.is_dir() else 0o600)
