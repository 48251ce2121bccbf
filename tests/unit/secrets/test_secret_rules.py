"""`[secrets.NAME]` in the settings: who may read a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.model.permission import SecretRule
from pipeline.settings import load_settings


def settings(home: Path, text: str) -> dict[str, str]:
    (home / "config.toml").write_text(text)
    return {"ECLUSE_HOME": str(home)}


def test_rules(tmp_path: Path) -> None:
    text = '[secrets.KEY]\nbranches = ["main", "release/*"]\nenvironments = ["prod"]\n[secrets.OTHER]\ntags = ["v*"]\n'
    assert load_settings(settings(tmp_path, text)).secrets == {
        "KEY": SecretRule(branches=("main", "release/*"), environments=("prod",)),
        "OTHER": SecretRule(tags=("v*",)),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("secrets = 3\n", "setting 'secrets' is no table", id="no-table"),
        pytest.param(
            "[secrets]\nKEY = 'main'\n", "[secrets.KEY] takes only branches, tags, environments", id="no-rule"
        ),
        pytest.param("[secrets.KEY]\nbranch = ['main']\n", "[secrets.KEY] takes only branches", id="unknown-key"),
        pytest.param("[secrets.KEY]\nbranches = 'main'\n", "[secrets.KEY] branches is no list of texts", id="no-list"),
        pytest.param("[secrets.KEY]\nbranches = [1]\n", "[secrets.KEY] branches is no list of texts", id="no-texts"),
    ],
)
def test_what_is_wrong_with_them_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(settings(tmp_path, text))
    assert said in caught.value.message


def test_variables_do_not_set_them(tmp_path: Path) -> None:
    """`ECLUSE_SECRETS` would be too easily taken for a secret's value."""
    assert load_settings({"ECLUSE_HOME": str(tmp_path), "ECLUSE_SECRETS": "x"}).secrets == {}
