"""Reports and artifacts as they are kept: nothing of Écluse's own quotes a secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scripted_run import stage

from pipeline.engine.collecting import collect
from pipeline.engine.masking import Masker
from pipeline.executors.scripted_workspace import MemoryWorkspace
from pipeline.model.container import View
from pipeline.model.definition import ArtifactRule
from pipeline.storage.directory import DirectoryStorage

SECRET = "tide & table-7319"
JUNIT = (
    '<testsuite name="s"><testcase classname="c tide &amp; table-7319" name="n tide &amp; table-7319">'
    '<failure message="m tide &amp; table-7319">d tide &amp; table-7319</failure></testcase></testsuite>'
)


def test_no_name_message_or_path_quotes_a_secret(tmp_path: Path) -> None:
    masker, workspace = Masker(), MemoryWorkspace()
    masker.add(SECRET)
    workspace.write("unit.1", {"r.xml": JUNIT.encode(), f"out/{SECRET}.txt": SECRET.encode()})
    storage = DirectoryStorage(tmp_path)
    unit = replace(
        stage("unit"), reports={"junit": ("r.xml",)}, artifacts=(ArtifactRule(name="out", paths=("out/**",)),)
    )
    found = collect(unit, workspace, View(layer="unit.1"), storage, lambda _: None, masker)
    assert found.tests is not None
    [case] = found.tests.cases
    assert (case.classname, case.name, case.message, case.details) == ("c ***", "n ***", "m ***", "d ***")
    assert [item.path for item in found.artifacts] == ["r.xml", "out/***.txt"]
    with storage.open(found.artifacts[0].digest) as report:
        assert b"7319" not in report.read()
    with storage.open(found.artifacts[1].digest) as artifact:
        assert artifact.read() == SECRET.encode(), "the user's own file is kept as it is"
