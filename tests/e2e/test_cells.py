"""Cells, parts, outputs and emitted stages in real containers: each gets its own, and later ones see what they left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from environment.command import Command
from environment.repository import Repository

FILE = """\
version: 1
name: cells
defaults: {image: "IMAGE"}
stages:
  unit:
    needs: []
    matrix: {v: [3.10, b c], w: ["1"]}
    outputs: [OUT]
    env: {V: "${{ matrix.v }}"}
    commands: ['echo "OUT=out of $V" >> "$ECLUSE_OUTPUT"']
  gen: {emits: more.yml, commands: cp template.txt more.yml}
  parts:
    needs: []
    split: 2
    commands: 'echo "$ECLUSE_SPLIT_INDEX of $ECLUSE_SPLIT_TOTAL: $ECLUSE_SPLIT_FILES"'
  last:
    needs: [{stage: gen, emitted: true}, unit, parts]
    timeout: "${{ stages.unit.cells['b c,1'].outputs.OUT.size() > 0 ? '30s' : '1ms' }}"
    env: {A: "${{ stages.unit.cells['b c,1'].outputs.OUT }}", C: "${{ stages.unit.conclusion }}"}
    commands: [{run: 'echo "$A, $C"', timeout: 20s}]
"""
TEMPLATE = """\
stages:
  child:
    image: "IMAGE"
    needs: [unit]
    matrix: {n: [1, 2]}
    env: {A: "${{ matrix.n }}", B: "${{ stages.unit.cells['3.10,1'].outputs.OUT }}"}
    commands: 'echo "child $A sees $B"'
"""


@pytest.fixture
def repository(git_repo: Callable[..., Repository], images: object) -> Repository:
    """A repository with three test files and a template of further stages."""
    image = images.busybox  # type: ignore[attr-defined]  # what conftest's fixture gives
    return git_repo(
        {
            "pipeline.yml": FILE.replace("IMAGE", image),
            "template.txt": TEMPLATE.replace("IMAGE", image),
            **{f"t/test_{letter}.py": "" for letter in "abc"},
        }
    )


def said(out: str, stage: str) -> list[str]:
    """What a stage printed, without its commands."""
    mark = f"[{stage}] "
    rows = [row.removeprefix(mark) for row in out.splitlines() if row.startswith(mark)]
    return [row for row in rows if row[:2] not in ("$ ", "· ")]


def test_each_cell_has_its_own(ecluse: Command, repository: Repository) -> None:
    ended = ecluse("run", cwd=repository.path)
    assert (ended.code, ended.err) == (0, "")
    assert said(ended.out, "parts:1/2") == ["1 of 2: t/test_a.py t/test_c.py"]
    assert said(ended.out, "parts:2/2") == ["2 of 2: t/test_b.py"]
    assert said(ended.out, "child:1") == ["child 1 sees out of 3.10"]
    assert said(ended.out, "child:2") == ["child 2 sees out of 3.10"]
    assert said(ended.out, "last") == ["out of b c, succeeded"]
    assert ended.out.index("● child:2 succeeded") < ended.out.index("◐ last starts")


def test_what_is_emitted_wrongly_is_said_at_its_place(ecluse: Command, repository: Repository) -> None:
    path = repository.path / "template.txt"
    path.write_text(path.read_text().replace("needs: [unit]", "needs: [unti]"))
    ended = ecluse("run", cwd=repository.path)
    assert ended.code != 0
    assert "more.yml of stage gen:4:13" in ended.out
    assert "stage 'child' needs 'unti', which does not exist" in ended.out
    assert "child:1" not in ended.out
