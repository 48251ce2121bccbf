"""Where the database is: what the settings say of it, as one address with its password."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.settings import Settings

FILE = "records.db"


def address_of(settings: Settings) -> str:
    """The address for `Database`. SettingsError for a password's file that cannot be read, or that nothing needs."""
    if not settings.database:
        return f"sqlite:///{settings.home / FILE}"
    if not settings.database_password_file:
        return settings.database
    from sqlalchemy.engine import make_url  # late: a run that reuses everything opens no database
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(settings.database)
    except ArgumentError:
        return settings.database  # `Database` says what is wrong with it
    if url.password is not None or not url.drivername.startswith("postgres"):
        raise SettingsError(
            "the setting 'database_password_file' is for an address of PostgreSQL without a password",
            hint="write postgresql://user@host/name into 'database', or leave the file away",
        )
    return url.set(password=_word(Path(settings.database_password_file).expanduser())).render_as_string(
        hide_password=False
    )


def file_of(settings: Settings) -> Path | None:
    """The file of the database, or None where a server keeps it."""
    address = address_of(settings) if not settings.database else settings.database
    start = "sqlite:///"
    return Path(address.removeprefix(start)) if address.startswith(start) else None


def _word(file: Path) -> str:
    try:
        word = file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(
            f"the database's password cannot be read from {file}: {why}",
            hint="make the file readable for the user that Écluse runs as, or correct 'database_password_file'",
        ) from error
    if not word:
        raise SettingsError(f"{file} is empty, and the database's password is expected there", hint="write it there")
    return word
