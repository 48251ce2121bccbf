"""One archive of all that an installation cannot make again: taken while the server runs, put back where nothing is."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline import __version__
from pipeline.errors import DiskFullError, RefusedError, StorageError, UsageError
from pipeline.ports.application import Application
from pipeline.records import dumping
from pipeline.records.address import FILE, address_of, file_of
from pipeline.records.revisions import REVISIONS
from pipeline.settings import Settings

_MARK: Final = "backup.json"
_DUMP: Final = "records.dump"
_KEY: Final = "secrets.key"
_ANEW: Final = frozenset({"cache", "groups", "mirrors", "reuse", "work"})
"""Folders of the home that are made again when they are needed."""

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """What an archive says of itself."""

    version: str
    """Of the program that wrote it."""
    schema: str
    created: datetime
    database: str
    """Which kind is in it: `sqlite`, `postgresql`, or "" where an older program left that of a server out."""


def backup(app: Application, file: Path, *, progress: Progress = lambda _: None) -> Backup:
    """Write the archive, readable by its owner alone: whole or not at all. UsageError where the file is there.

    The database comes first, then what it names: a blob that is added meanwhile does no harm.
    """
    settings = app.settings
    kind = "postgresql" if file_of(settings) is None else "sqlite"
    made = Backup(version=__version__, schema=REVISIONS[-1], created=app.clock.now(), database=kind)
    app.intake.repositories()  # the schema is this program's from here on
    if file.exists():
        raise UsageError(f"{file} is there already", hint="name a new file")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            with tarfile.open(fileobj=out, mode="w") as archive:
                _write(archive, settings, file.parent, made, progress)
            out.flush()
            os.fsync(out.fileno())
        draft.rename(file)
    except OSError as error:
        raise StorageError(
            f"{file} cannot be written: {error.strerror or error}", hint="check its folder's space and permissions"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return made


def restore(settings: Settings, file: Path, *, progress: Progress = lambda _: None) -> Backup:
    """Put an archive into the home, and a dump into the database of the settings; both must be empty.

    UsageError for what is no such archive or has a database of another kind, RefusedError for a home or a database
    with anything in it or an archive of a newer version.
    """
    home = settings.home
    if home.exists() and any(item.name not in (".gitignore", "config.toml") for item in home.iterdir()):
        raise RefusedError(f"{home} is not empty", hint="point ECLUSE_HOME to a new folder: nothing is overwritten")
    try:
        with tarfile.open(file, "r:") as archive:
            found = _mark_of(archive, file)
            _check_kind(settings, found, file)
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            for member in archive:
                if member.name == _DUMP:
                    progress("database")
                    _fill(settings, archive, member)
                    continue
                if member.name == _MARK or not (member.isreg() or member.isdir()):
                    continue
                if (home / member.name).name == "config.toml" and (home / "config.toml").exists():
                    continue
                progress(member.name)
                archive.extract(member, home, filter="data")
    except tarfile.TarError as error:
        raise UsageError(f"{file} is no backup: {error}", hint="name a file that `ecluse backup` wrote") from error
    except OSError as error:
        raise StorageError(
            f"{file} cannot be put back: {error.strerror or error}",
            hint="check the space, empty ECLUSE_HOME (and the database, if it is one of PostgreSQL), and do it again",
        ) from error
    for private in (home / _KEY, home / FILE):
        if private.exists():
            private.chmod(0o600)
    return found


def _check_kind(settings: Settings, found: Backup, file: Path) -> None:
    """Before anything is written."""
    server = file_of(settings) is None
    if found.database == "postgresql" and server:
        dumping.check_empty(address_of(settings))
    elif found.database == "postgresql":
        raise UsageError(
            f"the database in {file} is one of PostgreSQL",
            hint="name a new, empty one in the setting 'database' (ECLUSE_DATABASE)",
        )
    elif found.database and server:
        raise UsageError(
            f"the database in {file} is one of SQLite",
            hint="leave the setting 'database' away: it is put into ECLUSE_HOME",
        )


def _fill(settings: Settings, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """The database of a server, by way of a file that nobody else can read."""
    source = archive.extractfile(member)
    if source is None:
        raise tarfile.ReadError("the database in it is no file")
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.home) as scratch:
        copy = Path(scratch, _DUMP)
        with copy.open("wb") as out:
            shutil.copyfileobj(source, out)
        dumping.put_back(address_of(settings), copy)


def _write(archive: tarfile.TarFile, settings: Settings, beside: Path, made: Backup, progress: Progress) -> None:
    text = json.dumps(
        {
            "version": made.version,
            "schema": made.schema,
            "created": made.created.isoformat(),
            "database": made.database,
        }
    ).encode()
    mark = tarfile.TarInfo(_MARK)
    mark.size, mark.mode = len(text), 0o600
    archive.addfile(mark, io.BytesIO(text))
    progress("database")
    path = file_of(settings)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent if path else beside) as scratch:
        copy = Path(scratch, FILE if path else _DUMP)
        if path:
            _copy(path, copy)
        else:
            dumping.dump(address_of(settings), copy)
        archive.add(copy, copy.name)
    key = Path(settings.secrets_key).expanduser() if settings.secrets_key else settings.home / _KEY
    if key.is_file():
        archive.add(key, _KEY)
    for item in sorted(_kept(settings.home, path)):
        progress(item.name)
        for file in _files(item):
            with suppress(FileNotFoundError):  # a run that ended meanwhile has taken its files away
                archive.add(file, str(file.relative_to(settings.home)), recursive=False)


def _kept(home: Path, database: Path | None) -> Iterator[Path]:
    for item in home.iterdir():
        own = database is not None and item.name.startswith(database.name)
        if item.name not in _ANEW and item.name != _KEY and not own and not item.name.startswith(".backup-"):
            yield item


def _files(item: Path) -> Iterator[Path]:
    """A file, or a folder's regular files; never a link, a pipe or a draft."""
    if item.is_symlink():
        return
    if item.is_file():
        yield item
    elif item.is_dir():
        for folder, _, names in os.walk(item):
            if Path(folder) == item / "tmp":
                continue
            for name in sorted(names):
                file = Path(folder, name)
                if file.is_file() and not file.is_symlink():
                    yield file


def _copy(path: Path, target: Path) -> None:
    """By SQLite's own online backup: one state of the database, while others write."""
    try:
        with closing(sqlite3.connect(path, timeout=60)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise DiskFullError(f"no space is left for a copy of {path}", hint="make room beside it") from error
        raise StorageError(f"{path} cannot be copied: {error}", hint="is it a database of Écluse?") from error


def _mark_of(archive: tarfile.TarFile, file: Path) -> Backup:
    """The first member."""
    member = archive.next()
    source = archive.extractfile(member) if member is not None and member.name == _MARK else None
    if source is None:
        raise UsageError(f"{file} is no backup of Écluse", hint="name a file that `ecluse backup` wrote")
    try:
        known = json.loads(source.read(65536))
        found = Backup(
            version=str(known["version"]),
            schema=str(known["schema"]),
            created=datetime.fromisoformat(known["created"]),
            database={True: "sqlite", False: ""}.get(known["database"], str(known["database"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is no backup of Écluse", hint="name a file that `ecluse backup` wrote") from error
    if found.schema not in REVISIONS:
        raise RefusedError(
            f"{file} was written by ecluse {found.version}, which is newer than this one", hint="install that version"
        )
    return found
