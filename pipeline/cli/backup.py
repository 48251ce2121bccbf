"""`ecluse backup` and `ecluse restore`: all that cannot be made again, in one file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.cli.options import application, json_option, show_json

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Write database, logs, artifacts, the key of the secrets and the settings into FILE; the server may run.

    FILE holds the key: keep it as you keep the key. A database of PostgreSQL is taken by pg_dump, which must be
    installed here in the server's version or a newer one.
    """
    from pipeline.operations.backup import backup as write

    made = write(application(), file.absolute())
    if as_json:
        show_json(made)
        return
    sys.stdout.write(f"{file}: {file.stat().st_size:,} bytes\n")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def restore(file: Path, as_json: bool) -> None:
    """Put what `ecluse backup` wrote into an empty ECLUSE_HOME, and into the empty database of the settings."""
    from pipeline.operations.backup import restore as put_back

    app = application()
    found = put_back(app.settings, file)
    if as_json:
        show_json(found)
        return
    sys.stdout.write(f"{app.settings.home} is as it was on {found.created:%Y-%m-%d %H:%M} UTC\n")
    if not found.database:
        sys.stdout.write("the database is not in the backup: put it back with pg_restore\n")
