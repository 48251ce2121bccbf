"""Settings that would do harm are refused, with their name and their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import installation_id, load_settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param("KEEP_RUNS_DAYS", "-3", "not a number from 0 up", id="runs-would-end-in-the-future"),
        pytest.param("KEEP_RUNS_MOST", "-1", "not a number from 0 up", id="fewer-than-no-run"),
        pytest.param("REUSE_LIMIT", "-1", "not a number from 0 up", id="less-room-than-none"),
        pytest.param("GRACE", "nan", "not a number from 0 up", id="no-number"),
        pytest.param("RUN_TIMEOUT", "inf", "not a number from 0 up", id="without-end"),
        pytest.param("PARALLEL", "0", "not a number from 1 up", id="no-stage-at-a-time"),
        pytest.param("PARALLEL", "many", "which is not int", id="a-word"),
        pytest.param("CPU", "-2", "not a number from 0 up", id="optional"),
    ],
)
def test_a_number_out_of_its_range_is_refused(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"ECLUSE_HOME": str(tmp_path), f"ECLUSE_{name}": value})
    assert f"setting '{name.lower()}' is '{value}'" in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        pytest.param("KEEP_RUNS_DAYS", "0", 0.0, id="for-ever"),
        pytest.param("KEEP_RUNS_DAYS", "0.5", 0.5, id="half-a-day"),
        pytest.param("PARALLEL", "1", 1, id="one-at-a-time"),
    ],
)
def test_a_number_at_the_edge_of_its_range_is_taken(tmp_path: Path, name: str, value: str, read: float) -> None:
    settings = load_settings({"ECLUSE_HOME": str(tmp_path), f"ECLUSE_{name}": value})
    assert getattr(settings, name.lower()) == read


def test_an_installation_keeps_its_id(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = installation_id(home)
    assert len(first) == 32
    assert installation_id(home) == first
    assert {item.name for item in home.iterdir()} == {"installation", ".gitignore"}


@pytest.mark.parametrize("damaged", [b"", b"\n", b"zzz\n", b"\xff\xfe\n", b"0" * 31])
def test_a_damaged_id_is_refused_rather_than_believed(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "installation").write_bytes(damaged)
    with pytest.raises(SettingsError, match="no installation id") as caught:
        installation_id(tmp_path)
    assert "backup" in caught.value.hint
