"""Secrets from the environment and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SecretError
from pipeline.secrets.provided import provided_secrets
from pipeline.secrets.provider import Found


def keep(home: Path, name: str, content: bytes, *, mode: int = 0o600) -> Path:
    path = home / "secrets" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_variable_comes_before_a_file(tmp_path: Path) -> None:
    keep(tmp_path, "TOKEN", b"from the file")
    keep(tmp_path, "OTHER", b"from the file")
    secrets = provided_secrets(tmp_path, {"ECLUSE_SECRET_TOKEN": "from the variable"})
    assert secrets.get("TOKEN") == "from the variable"
    assert secrets.get("OTHER") == "from the file"


@pytest.mark.parametrize("name", ["ABSENT", "", "../TOKEN", "/etc/hostname", "a/b", ".", ".."])
def test_a_name_that_nobody_knows(tmp_path: Path, name: str) -> None:
    keep(tmp_path, "TOKEN", b"value")
    assert provided_secrets(tmp_path / "secrets", {"TOKEN": "value"}).get(name) is None


@pytest.mark.parametrize(
    ("content", "value"),
    [
        pytest.param(b"value", "value", id="no line end"),
        pytest.param(b"value\n", "value", id="line end"),
        pytest.param(b"value\r\n", "value", id="line end of Windows"),
        pytest.param(b"value\n\n", "value\n", id="only one line end is dropped"),
        pytest.param(b" value \n", " value ", id="spaces stay"),
        pytest.param(
            b"-----BEGIN KEY-----\nabc\n-----END KEY-----\n", "-----BEGIN KEY-----\nabc\n-----END KEY-----", id="key"
        ),
        pytest.param("pässwörd".encode(), "pässwörd", id="not ASCII"),
    ],
)
def test_the_text_of_a_file(tmp_path: Path, content: bytes, value: str) -> None:
    keep(tmp_path, "TOKEN", content)
    assert provided_secrets(tmp_path, {}).get("TOKEN") == value


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o710])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = keep(tmp_path, "TOKEN", b"value", mode=mode)
    with pytest.raises(SecretError, match="can be read by others") as caught:
        provided_secrets(tmp_path, {}).get("TOKEN")
    assert caught.value.hint == f"chmod 600 '{path}'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"abc", "shorter than 4 characters", id="short"),
        pytest.param(b"", "shorter than 4 characters", id="empty"),
        pytest.param(b"abc\n", "shorter than 4 characters", id="short with line end"),
        pytest.param(b"  a     ", "shorter than 4 characters", id="mostly spaces"),
        pytest.param(b"\xff\xfe\xfd\xfc", "is not UTF-8 text", id="binary"),
    ],
)
def test_a_value_that_cannot_serve_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = keep(tmp_path, "TOKEN", content)
    with pytest.raises(SecretError, match=message) as caught:
        provided_secrets(tmp_path, {}).get("TOKEN")
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets" / "TOKEN").mkdir(parents=True)
    with pytest.raises(SecretError, match="Is a directory"):
        provided_secrets(tmp_path, {}).get("TOKEN")


def test_a_short_variable_names_itself_and_not_its_value(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"secret PIN \(variable ECLUSE_SECRET_PIN\)") as caught:
        provided_secrets(tmp_path, {"ECLUSE_SECRET_PIN": "987"}).get("PIN")
    assert "987" not in caught.value.message + caught.value.hint


def test_a_found_value_does_not_show_when_printed() -> None:
    assert "hidden value" not in repr(Found(value="hidden value", where="x"))
