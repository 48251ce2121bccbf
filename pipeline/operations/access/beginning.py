"""The way in for the first admin of a server: a link that its machine shows, good once, while nobody is there."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import RefusedError
from pipeline.model.account import User
from pipeline.operations.access.machine import new_id
from pipeline.operations.access.people import first_admin
from pipeline.operations.access.secret_words import new_secret, same
from pipeline.ports.application import Application

_FILE = "first-admin"


def first_key(app: Application) -> str:
    """What the link carries, also in a file that only its owner reads; "" where somebody is there already."""
    path = _path(app)
    if app.accounts.users():
        path.unlink(missing_ok=True)
        return ""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = new_secret()
    draft = path.with_name(f".{_FILE}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key + "\n")
    draft.replace(path)
    return key


def is_first(app: Application, key: str) -> bool:
    """Whether the link may still be used, and is this one."""
    try:
        kept = _path(app).read_text().strip()
    except OSError:
        return False
    return bool(kept) and same(kept, key) and not app.accounts.users()


def begin(app: Application, key: str, *, login: str, name: str, password: str) -> User:
    """The first admin. RefusedError for a link that is not good (any more); a bad password leaves it good."""
    if not is_first(app, key):
        raise RefusedError(
            "this link is not good, or not any more", hint="`ecluse serve` prints one while nobody is there"
        )
    user = first_admin(
        app.accounts, login, name=name, password=password, now=app.clock.now(), new_id=lambda: new_id(app)
    )
    _path(app).unlink(missing_ok=True)
    return user


def _path(app: Application) -> Path:
    return app.settings.home / _FILE
