"""Parts of a split: who gets which test files, and what tells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_ground import planned, refused, stage_of, tree_of

from pipeline.errors import DefinitionError
from pipeline.planning.splitting import MAX_VARIABLE, shares

FILES = ("tests/test_a.py", "tests/test_b.py", "tests/test_c.py", "tests/test_d.py", "src/a.py", "web/x.spec.ts")


def text(split: str, more: str = "") -> str:
    return f"stages:\n  unit: {{image: 'busybox:1', split: {split}, commands: 'pytest $ECLUSE_SPLIT_FILES'{more}}}\n"


def files(decided: object, part: str) -> str:
    return stage_of(decided, f"unit:{part}").stage.env["ECLUSE_SPLIT_FILES"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("paths", "into", "seconds", "expected"),
    [
        pytest.param("abcd", 2, {}, ["ac", "bd"], id="by-count"),
        pytest.param("abcd", 2, {"a": 9.0, "b": 1.0, "c": 1.0, "d": 1.0}, ["a", "bcd"], id="longest-first"),
        pytest.param("abc", 2, {"a": 4.0}, ["ac", "b"], id="unknown-is-the-median"),
        pytest.param("ab", 4, {}, ["a", "b", "", ""], id="more-parts-than-files"),
        pytest.param("", 2, {}, ["", ""], id="no-files"),
    ],
)
def test_shares(paths: str, into: int, seconds: dict[str, float], expected: list[str]) -> None:
    assert ["".join(part) for part in shares(list(paths), into, seconds)] == expected


@given(st.dictionaries(st.text("abc/", min_size=1, max_size=6), st.floats(0.001, 100), max_size=30), st.integers(1, 7))
def test_each_file_has_one_part_and_no_part_has_much_more_than_another(seconds: dict[str, float], into: int) -> None:
    parts = shares(sorted(seconds), into, seconds)
    assert sorted(path for part in parts for path in part) == sorted(seconds)
    loads = [sum(seconds[path] for path in part) for part in parts]
    longest = max(seconds.values(), default=0.0)
    assert max(loads) <= min(loads) + longest + 1e-9
    assert parts == shares(sorted(seconds, reverse=True), into, seconds)


def test_parts_are_told_by_variables() -> None:
    decided = planned(text("2"), tree=tree_of(*FILES))
    env = stage_of(decided, "unit:1/2").stage.env
    assert (env["ECLUSE_SPLIT_INDEX"], env["ECLUSE_SPLIT_TOTAL"]) == ("1", "2")
    assert files(decided, "1/2") == "tests/test_a.py tests/test_c.py web/x.spec.ts"
    assert files(decided, "2/2") == "tests/test_b.py tests/test_d.py"


def test_the_times_of_earlier_runs_decide_unless_only_the_count_shall() -> None:
    def known(stage: str) -> dict[str, float]:
        assert stage == "unit"
        return {"tests/test_a.py": 60.0, "tests/test_b.py": 1.0, "gone.py": 1000.0}

    globs = "files: 'tests/test_[abc].py'"
    timed = planned(text(f"{{into: 2, {globs}}}"), tree=tree_of(*FILES), timings=known)
    assert files(timed, "1/2") == "tests/test_a.py"
    counted = planned(text(f"{{into: 2, by: count, {globs}}}"), tree=tree_of(*FILES), timings=known)
    assert files(counted, "1/2") == "tests/test_a.py tests/test_c.py"


def test_a_part_without_files_is_skipped_where_files_are_shared_out() -> None:
    decided = planned(text("{into: 3, files: 'tests/test_[ab].py'}"), tree=tree_of(*FILES))
    skipped = stage_of(decided, "unit:3/3").skip
    assert skipped is not None
    assert "2 files" in skipped.sentence
    assert stage_of(planned(text("3"), tree=tree_of("src/a.go")), "unit:3/3").skip is None


def test_a_stage_shares_out_only_what_it_sees() -> None:
    decided = planned(text("2", ", inputs: ['tests/test_[ab].py', 'src/**']"), tree=tree_of(*FILES))
    assert (files(decided, "1/2"), files(decided, "2/2")) == ("tests/test_a.py", "tests/test_b.py")
    assert files(planned(text("2", ", source: false"), tree=tree_of(*FILES)), "1/2") == ""


@pytest.mark.parametrize(
    ("split", "paths", "message"),
    [
        pytest.param("{into: 2, files: 'x/*'}", FILES, "shares out 'x/*', and no file is like that", id="none"),
        pytest.param("2", ["test_a b.py"], "cannot share out the file 'test_a b.py'", id="space"),
        pytest.param("2", ["test_$(x).py"], "cannot share out the file 'test_$(x).py'", id="dollar"),
        pytest.param("2", ["test_*.py"], "cannot share out the file 'test_*.py'", id="star"),
        pytest.param(
            "2",
            [f"t/{'x' * 200}{index}/test_a.py" for index in range(2 * MAX_VARIABLE // 200)],
            "characters of file names",
            id="too-long",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_out(split: str, paths: list[str], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        planned(text(split), tree=tree_of(*paths))
    assert message in refused(caught.value)
    assert refused(caught.value).startswith("4:3 ")
