"""What every implementation of the vault port promises, against real databases and a key that is a file."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.errors import NotFoundError, SettingsError
from pipeline.ports.vault import Vault, environment_scope, repository_scope
from pipeline.records import SqlRecords
from pipeline.records import server_tables as t
from pipeline.records.server.vault import SqlVault

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SHOP = repository_scope("shop/web")
VALUE = b"correct horse battery staple \xff\x00\n"


@pytest.fixture
def records(database_url: str) -> Iterator[SqlRecords]:
    """Each database in turn, empty."""
    opened = SqlRecords(database_url)
    yield opened
    opened.close()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "secrets.key"


@pytest.fixture
def vault(records: SqlRecords, key: Path) -> Vault:
    return SqlVault(records.database, key, now=lambda: NOON)


def test_a_secret_comes_back_for_use_and_is_nowhere_else(vault: Vault, records: SqlRecords, key: Path) -> None:
    first = vault.put(SHOP, "TOKEN", VALUE, by="anna")
    assert vault.get(SHOP, "TOKEN") == VALUE
    assert (first.version, first.updated, first.updated_by) == (1, NOON, "anna")
    with records.database().reading() as connection:
        row = connection.execute(sa.select(t.secrets)).one()
    assert VALUE not in row.value
    assert b"horse" not in row.value
    assert VALUE.decode("latin-1") not in repr(first)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert len(key.read_bytes()) == 32
    assert [item.name for item in key.parent.iterdir()] == [key.name], "no draft of the key is left"


def test_the_same_value_looks_different_every_time(vault: Vault, records: SqlRecords) -> None:
    seen = set()
    for _ in range(3):
        vault.put(SHOP, "TOKEN", VALUE, by="anna")
        with records.database().reading() as connection:
            seen.add(connection.execute(sa.select(t.secrets.c.value)).scalar_one())
    assert len(seen) == 3


def test_a_new_version_replaces_the_one_before(vault: Vault) -> None:
    vault.put(SHOP, "TOKEN", b"old one", by="anna")
    note = vault.put(SHOP, "TOKEN", b"new one", by="bert")
    assert (note.version, note.updated_by) == (2, "bert")
    assert vault.get(SHOP, "TOKEN") == b"new one"
    assert list(vault.notes()) == [note]


def test_what_is_not_there_is_none_or_said(vault: Vault) -> None:
    assert vault.get(SHOP, "TOKEN") is None
    vault.put(SHOP, "TOKEN", VALUE, by="anna")
    assert vault.get(repository_scope("shop/api"), "TOKEN") is None
    assert vault.get(environment_scope("shop/web", "prod"), "TOKEN") is None
    vault.remove(SHOP, "TOKEN")
    assert vault.get(SHOP, "TOKEN") is None
    with pytest.raises(NotFoundError):
        vault.remove(SHOP, "TOKEN")


def test_notes_are_by_scope(vault: Vault) -> None:
    prod = environment_scope("shop/web", "prod")
    vault.put(prod, "B", VALUE, by="anna")
    vault.put(SHOP, "C", VALUE, by="anna")
    vault.put(SHOP, "A", VALUE, by="anna")
    assert [(note.scope, note.name) for note in vault.notes()] == [(prod, "B"), (SHOP, "A"), (SHOP, "C")]
    assert [note.name for note in vault.notes(scope=SHOP)] == ["A", "C"]


def _swap_rows(records: SqlRecords, key: Path) -> None:
    secrets = t.secrets
    with records.database().writing() as connection:
        other = connection.execute(sa.select(secrets.c.value).where(secrets.c.name == "OTHER")).scalar_one()
        connection.execute(secrets.update().where(secrets.c.name == "TOKEN").values(value=other))


def _move_scope(records: SqlRecords, key: Path) -> None:
    with records.database().writing() as connection:
        connection.execute(t.secrets.update().where(t.secrets.c.name == "TOKEN").values(scope="elsewhere"))
        connection.execute(t.secrets.update().where(t.secrets.c.name == "OTHER").values(name="TOKEN"))


def _flip_a_bit(records: SqlRecords, key: Path) -> None:
    with records.database().writing() as connection:
        value = bytearray(
            connection.execute(sa.select(t.secrets.c.value).where(t.secrets.c.name == "TOKEN")).scalar_one()
        )
        value[-1] ^= 1
        connection.execute(t.secrets.update().where(t.secrets.c.name == "TOKEN").values(value=bytes(value)))


def _cut_short(records: SqlRecords, key: Path) -> None:
    with records.database().writing() as connection:
        connection.execute(t.secrets.update().where(t.secrets.c.name == "TOKEN").values(value=b"short"))


def _lose_the_key(records: SqlRecords, key: Path) -> None:
    key.unlink()


def _other_key(records: SqlRecords, key: Path) -> None:
    key.write_bytes(os.urandom(32))


def _half_a_key(records: SqlRecords, key: Path) -> None:
    key.write_bytes(key.read_bytes()[:16])


def _open_key(records: SqlRecords, key: Path) -> None:
    key.chmod(0o640)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(_swap_rows, "another key", id="rows swapped"),
        pytest.param(_move_scope, "another key", id="a row moved to another place"),
        pytest.param(_flip_a_bit, "another key", id="one bit"),
        pytest.param(_cut_short, "another key", id="cut short"),
        pytest.param(_lose_the_key, "cannot be read", id="key lost"),
        pytest.param(_other_key, "another key", id="wrong key"),
        pytest.param(_half_a_key, "no key of 32 bytes", id="half a key"),
        pytest.param(_open_key, "can be read by others", id="key open to others"),
    ],
)
def test_a_secret_that_cannot_be_trusted_is_said_and_not_given(
    vault: Vault, records: SqlRecords, key: Path, damage: Callable[[SqlRecords, Path], None], said: str
) -> None:
    vault.put(SHOP, "TOKEN", VALUE, by="anna")
    vault.put(SHOP, "OTHER", b"another value", by="anna")
    if damage is _move_scope:
        vault.put("elsewhere", "OTHER", b"another value", by="anna")
        vault.remove("elsewhere", "OTHER")
    damage(records, key)
    with pytest.raises(SettingsError, match=said) as caught:
        vault.get(SHOP, "TOKEN")
    assert caught.value.hint
    assert "horse" not in f"{caught.value}{caught.value.hint}"


def test_a_lost_key_is_not_replaced_in_silence(vault: Vault, key: Path) -> None:
    vault.put(SHOP, "TOKEN", VALUE, by="anna")
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        vault.put(SHOP, "OTHER", b"another value", by="anna")
    assert not key.exists()
    key.write_bytes(kept)
    key.chmod(0o600)
    assert vault.get(SHOP, "TOKEN") == VALUE


def test_first_secrets_of_several_processes_agree_on_one_key(records: SqlRecords, key: Path) -> None:
    records.outlines()
    gate = threading.Barrier(5)
    vaults = [SqlVault(records.database, key, now=lambda: NOON) for _ in range(5)]

    def put(number: int) -> None:
        gate.wait()
        vaults[number].put(SHOP, f"T{number}", f"value {number}".encode(), by="anna")

    threads = [threading.Thread(target=put, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [vaults[0].get(SHOP, f"T{number}") for number in range(5)] == [f"value {n}".encode() for n in range(5)]
