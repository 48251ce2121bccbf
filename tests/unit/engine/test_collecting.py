"""Reports and artifacts as they are kept: nothing of Écluse's own quotes a secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_run import stage

from pipeline.engine.collecting import collect
from pipeline.engine.masking import Masker
from pipeline.errors import UsageError
from pipeline.executors.scripted_workspace import MemoryWorkspace
from pipeline.model.container import View
from pipeline.model.definition import ArtifactRule
from pipeline.ports.workspace import WorkspaceFile
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
    found = collect(unit, workspace, View(layer="unit.1"), storage, lambda _: None, masker, limit=1000)
    assert found.tests is not None
    [case] = found.tests.cases
    assert (case.classname, case.name, case.message, case.details) == ("c ***", "n ***", "m ***", "d ***")
    assert [item.path for item in found.artifacts] == ["r.xml", "out/***.txt"]
    with storage.open(found.artifacts[0].digest) as report:
        assert b"7319" not in report.read()
    with storage.open(found.artifacts[1].digest) as artifact:
        assert artifact.read() == SECRET.encode(), "the user's own file is kept as it is"


def kept(folder: Path, storage: DirectoryStorage, *, limit: int) -> int:
    """How many files of a folder of this host are collected."""
    out = replace(stage("out"), artifacts=(ArtifactRule(name="out", paths=("**",)),))
    workspace = FolderWorkspace(folder)
    return len(collect(out, workspace, View(layer=""), storage, lambda _: None, Masker(), limit=limit).artifacts)


class FolderWorkspace(MemoryWorkspace):
    """Files as they lie on the disk: of any size, and growing."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def read(self, view: View, patterns: Sequence[str]) -> Iterator[WorkspaceFile]:
        for place in sorted(self._folder.iterdir()):
            size = place.stat().st_size
            with place.open("rb") as content:
                yield WorkspaceFile(path=place.name, mode=0o644, size=size, content=content)


def test_a_sparse_file_is_refused_before_a_byte_of_it_is_read(tmp_path: Path) -> None:
    out, storage = tmp_path / "out", DirectoryStorage(tmp_path / "storage")
    out.mkdir()
    (out / "a.bin").write_bytes(b"x" * 600)
    assert kept(out, storage, limit=1000) == 1
    with (out / "b.bin").open("wb") as sparse:
        sparse.truncate(4 << 40)
    with pytest.raises(UsageError, match=r"with 'b.bin' \(4096 GiB\) the stage's artifacts and reports are"):
        kept(out, storage, limit=1000)
    assert sum(file.stat().st_size for file in (tmp_path / "storage").rglob("*") if file.is_file()) == 600


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engine.collecting.MOST_FILES", 3)
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(UsageError, match="are more than 3 files"):
        kept(tmp_path, DirectoryStorage(tmp_path.parent / "storage"), limit=1000)
