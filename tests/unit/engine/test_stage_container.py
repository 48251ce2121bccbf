"""The container of a stage's commands, as it follows from the stage's definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scripted_run import stage

from pipeline.engine.layers import commands_spec
from pipeline.model.container import View
from pipeline.settings import Settings


@pytest.mark.parametrize(
    ("written", "folder"),
    [
        pytest.param(None, None, id="the workspace"),
        pytest.param("web", "/workspace/web", id="within it"),
        pytest.param("./web/../api/", "/workspace/api", id="in a roundabout way"),
        pytest.param("/opt", "/opt", id="absolute"),
    ],
)
def test_a_working_directory_is_meant_from_the_workspace(
    tmp_path: Path, written: str | None, folder: str | None
) -> None:
    spec = commands_spec(
        replace(stage("unit"), workdir=written, commands=("true",)),
        pipeline="shop",
        attempt=1,
        view=View(layer="unit.1"),
        settings=Settings(home=tmp_path),
    )
    assert spec.workdir == folder
