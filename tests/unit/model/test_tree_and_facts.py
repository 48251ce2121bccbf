"""Digests of a source's files, and what expressions see of the stages of a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pipeline.model.facts import stage_facts
from pipeline.model.outcome import Outcome
from pipeline.model.run import Attempt, Products, StageRun
from pipeline.model.status import Conclusion, StageState
from pipeline.model.tree import Tree, TreeFile

FILES = (TreeFile("b.txt", "2"), TreeFile("a.txt", "1"), TreeFile("src/a.py", "3", "100755"))


def digest(*files: TreeFile, globs: tuple[str, ...] = ("**",)) -> str:
    return Tree(lambda: files).digest(globs)


@pytest.mark.parametrize(
    ("files", "same"),
    [
        pytest.param(FILES[::-1], True, id="another order"),
        pytest.param((*FILES[:2], TreeFile("src/a.py", "3")), False, id="another mode"),
        pytest.param((*FILES[:2], TreeFile("src/a.py", "4", "100755")), False, id="another content"),
        pytest.param((*FILES[:2], TreeFile("src/b.py", "3", "100755")), False, id="another name"),
        pytest.param(FILES[:2], False, id="one less"),
    ],
)
def test_a_digest_covers_names_modes_and_content(files: tuple[TreeFile, ...], same: bool) -> None:
    assert (digest(*files) == digest(*FILES)) is same


def test_only_files_that_match_count() -> None:
    tree = Tree(lambda: FILES)
    assert [file.path for file in tree.select(["*.txt", "!b*"])] == ["a.txt"]
    assert digest(*FILES, globs=("*.txt",)) == digest(*FILES[:2], globs=("*.txt",))
    assert digest(globs=("x",)) == digest(*FILES, globs=("x",))


def test_the_files_are_listed_once_and_only_when_asked_for() -> None:
    asked = 0

    def listing() -> Iterator[TreeFile]:
        nonlocal asked
        asked += 1
        yield from FILES

    tree = Tree(listing)
    assert asked == 0
    assert tree.digest(["**"]) == tree.digest(["**"])
    assert len(tree.select(["*.txt"])) == 2
    assert asked == 1


def run(name: str, conclusion: Conclusion | None, **outputs: str) -> StageRun:
    group = name.partition(":")[0] if ":" in name else ""
    if conclusion is None:
        return StageRun(name=name, kind="run", group=group)
    return StageRun(
        name=name,
        kind="run",
        group=group,
        state=StageState.DONE,
        outcome=Outcome(conclusion=conclusion, reason="x"),
        attempts=(Attempt(number=1, started=datetime(2026, 11, 24, tzinfo=UTC), products=Products(outputs=outputs)),),
    )


RUNS = (
    run("a", Conclusion.SUCCEEDED, V="1"),
    run("unit:3.10,pg", Conclusion.WARNED, V="x"),
    run("unit:3.12,pg", Conclusion.FAILED, V="y"),
    run("half:1", Conclusion.SUCCEEDED),
    run("half:2", None),
    run("none:1", Conclusion.SKIPPED),
)


def test_only_the_stages_that_are_asked_for_are_there() -> None:
    assert stage_facts(RUNS, frozenset({"stages.a.outputs.V", "branch"})) == {
        "a": {"conclusion": "succeeded", "outputs": {"V": "1"}}
    }
    assert stage_facts(RUNS, frozenset({"branch"})) == {}
    assert set(stage_facts(RUNS, frozenset({"stages"}))) == {"a", "unit", "half", "none"}
    assert stage_facts(RUNS, frozenset({"stages.?nobody.conclusion"})) == {}


@pytest.mark.parametrize(("stage", "conclusion"), [("unit", "failed"), ("half", ""), ("none", "skipped")])
def test_a_stage_with_cells_has_the_worst_conclusion_once_all_are_done(stage: str, conclusion: str) -> None:
    fact = stage_facts(RUNS, frozenset({f"stages.{stage}.conclusion"}))[stage]
    assert isinstance(fact, dict)
    assert fact["conclusion"] == conclusion
    assert fact["outputs"] == {}


def test_each_cell_has_its_own_outputs() -> None:
    fact = stage_facts(RUNS, frozenset({"stages.unit.cells.3.12,pg"}))["unit"]
    assert isinstance(fact, dict)
    assert fact["cells"] == {
        "3.10,pg": {"conclusion": "warned", "outputs": {"V": "x"}},
        "3.12,pg": {"conclusion": "failed", "outputs": {"V": "y"}},
    }
