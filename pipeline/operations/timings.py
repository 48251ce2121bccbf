"""How long the tests of each file took in earlier runs, so that a stage can be split into parts of like length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.model.tree import Tree

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.history import FileTime


def file_seconds(times: Sequence[FileTime], tree: Tree) -> Mapping[str, float]:
    """Path of a test file to its seconds: the median of the runs, of each the last attempt.

    Reports that name no file are matched by the class: `tests.unit.test_a.TestCart` is in `tests/unit/test_a.py`,
    `org.shop.CartTest` in `src/test/java/org/shop/CartTest.java`. What matches no file of the source is left out.
    """
    latest: dict[tuple[str, str], int] = defaultdict(int)
    for time in times:
        latest[time.run, time.stage] = max(latest[time.run, time.stage], time.attempt)
    places = _Places(tree)
    by_run: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for time in times:
        path = places.path_of(time)
        if path and time.attempt == latest[time.run, time.stage]:
            by_run[path][time.run] += time.seconds
    import statistics

    return {path: statistics.median(runs.values()) for path, runs in by_run.items()}


class _Places:
    """Finds the file that a report means."""

    def __init__(self, tree: Tree) -> None:
        self._paths = {file.path for file in tree.files}
        self._by_stem: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for path in self._paths:
            stem = path.rpartition("/")[2].partition(".")[0]
            dotted = path[: len(path) - len(path.rpartition("/")[2]) + len(stem)].replace("/", ".")
            self._by_stem[stem].append((dotted, path))
        self._known: dict[tuple[str, str], str] = {}

    def path_of(self, time: FileTime) -> str:
        """The path of the file, or ""."""
        key = (time.file, time.classname)
        if key not in self._known:
            file = time.file.removeprefix("./")
            self._known[key] = file if file in self._paths else self._of_class(time.classname)
        return self._known[key]

    def _of_class(self, classname: str) -> str:
        words = classname.split(".")
        for end in range(len(words), 0, -1):
            dotted = ".".join(words[:end])
            for place, path in sorted(self._by_stem.get(words[end - 1], ()), key=lambda item: len(item[1])):
                if place == dotted or place.endswith("." + dotted):
                    return path
        return ""
