"""Which file a report means, and how long its tests took."""

from __future__ import annotations

import pytest

from pipeline.model.history import FileTime
from pipeline.model.tree import Tree, TreeFile
from pipeline.operations.timings import file_seconds

PATHS = (
    "tests/unit/test_a.py",
    "tests/test_a.py",
    "src/test/java/org/shop/CartTest.java",
    "web/cart.test.ts",
    "README.md",
)
TREE = Tree(lambda: [TreeFile(path, "0") for path in PATHS])


def time(
    file: str, classname: str = "", *, seconds: float = 1.0, run: str = "r1", stage: str = "unit", attempt: int = 1
) -> FileTime:
    return FileTime(run=run, stage=stage, attempt=attempt, file=file, classname=classname, seconds=seconds)


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        pytest.param([time("tests/test_a.py")], {"tests/test_a.py": 1.0}, id="by path"),
        pytest.param([time("./web/cart.test.ts")], {"web/cart.test.ts": 1.0}, id="by path from here"),
        pytest.param([time("", "tests.unit.test_a.TestCart")], {"tests/unit/test_a.py": 1.0}, id="class in a module"),
        pytest.param([time("", "tests.unit.test_a")], {"tests/unit/test_a.py": 1.0}, id="module"),
        pytest.param([time("", "test_a")], {"tests/test_a.py": 1.0}, id="the nearest to the root"),
        pytest.param(
            [time("", "org.shop.CartTest")], {"src/test/java/org/shop/CartTest.java": 1.0}, id="class of a package"
        ),
        pytest.param([time("gone.py"), time("", "nowhere.Test"), time("", "")], {}, id="no file of the source"),
        pytest.param(
            [time("README.md", "a"), time("README.md", "b", seconds=2)], {"README.md": 3.0}, id="classes are added"
        ),
        pytest.param(
            [time("README.md", seconds=9), time("README.md", attempt=2)], {"README.md": 1.0}, id="the last attempt"
        ),
        pytest.param(
            [time("README.md", seconds=value, run=str(value)) for value in (1, 2, 30)], {"README.md": 2.0}, id="median"
        ),
    ],
)
def test_seconds_of_files(times: list[FileTime], wanted: dict[str, float]) -> None:
    assert file_seconds(times, TREE) == wanted
