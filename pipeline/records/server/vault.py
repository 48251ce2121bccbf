"""Secrets at rest: AES-256-GCM, each bound to its place, under a key that is a file outside the database."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import NotFoundError, SettingsError
from pipeline.ports.vault import SecretNote
from pipeline.records import server_tables as t
from pipeline.records.database import Database
from pipeline.records.queries import insert
from pipeline.records.rows import noun

_NONCE = 12
_KEY = 32


class SqlVault:
    """Implements `pipeline.ports.vault.Vault`. The key is made, readable by its owner alone, with the first secret."""

    def __init__(self, database: Callable[[], Database], key: Path, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._path = key
        self._now = now

    def put(self, scope: str, name: str, value: bytes, *, by: str) -> SecretNote:
        """A new version."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._key(make=True)).encrypt(nonce, value, _place(scope, name))
        secrets = t.secrets
        with self._database().durable() as connection:
            row = insert(connection, secrets).values(
                scope=scope, name=name, value=sealed, version=1, updated=self._now(), updated_by=by
            )
            newer = {"value": row.excluded.value, "version": secrets.c.version + 1}
            newer |= {"updated": row.excluded.updated, "updated_by": row.excluded.updated_by}
            order = row.on_conflict_do_update(index_elements=[secrets.c.scope, secrets.c.name], set_=newer)
            return noun(SecretNote, connection.execute(order.returning(secrets)).one())

    def get(self, scope: str, name: str) -> bytes | None:
        """The value."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        wanted = sa.select(t.secrets.c.value).where(t.secrets.c.scope == scope, t.secrets.c.name == name)
        with self._database().reading() as connection:
            sealed = connection.execute(wanted).scalar()
        if sealed is None:
            return None
        try:
            return AESGCM(self._key()).decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(scope, name))
        except (InvalidTag, ValueError) as error:
            raise SettingsError(
                f"secret '{name}' of {scope} was encrypted with another key than {self._path}, or changed since",
                hint="put the right key back (it belongs to the backup), or set the secret again",
            ) from error

    def remove(self, scope: str, name: str) -> None:
        """Forget it."""
        mine = (t.secrets.c.scope == scope, t.secrets.c.name == name)
        with self._database().writing() as connection:
            gone = connection.execute(t.secrets.delete().where(*mine)).rowcount
        if not gone:
            raise NotFoundError(f"there is no secret '{name}' of {scope}", hint="nothing was removed")

    def notes(self, *, scope: str = "") -> Sequence[SecretNote]:
        """What there is."""
        columns = [t.secrets.c[name] for name in ("scope", "name", "version", "updated", "updated_by")]
        wanted = sa.select(*columns).order_by(t.secrets.c.scope, t.secrets.c.name)
        if scope:
            wanted = wanted.where(t.secrets.c.scope == scope)
        with self._database().reading() as connection:
            return [noun(SecretNote, row) for row in connection.execute(wanted)]

    def _key(self, *, make: bool = False) -> bytes:
        if make and not self._path.exists() and not self.notes():  # a key that is lost is not replaced in silence
            self._make()
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                key = file.read(_KEY + 1)
        except OSError as error:
            raise SettingsError(
                f"the key of the secrets, {self._path}, cannot be read: {error.strerror}",
                hint="put it back from the backup, or name it with the setting 'secrets_key'",
            ) from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"the key of the secrets, {self._path}, can be read by others", hint=f"chmod 600 '{self._path}'"
            )
        if len(key) != _KEY:
            raise SettingsError(f"{self._path} is no key of {_KEY} bytes", hint="put it back from the backup")
        return key

    def _make(self) -> None:
        """Whole or not at all, and once: of two processes the first one's key stays."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_name(f".{self._path.name}.{os.urandom(4).hex()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(_KEY))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, self._path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()


def _place(scope: str, name: str) -> bytes:
    """What a value is bound to: one that is moved to another row cannot be read there."""
    return f"{scope}\0{name}".encode()
