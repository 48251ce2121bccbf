"""Groups across processes: one at a time, in order of arrival, whoever dies lets go, and policies."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from pipeline.errors import CancelledError
from pipeline.model.definition import ConcurrencyPolicy, ConcurrencyRule
from pipeline.ports.cancellation import Cancellation
from pipeline.storage.groups import FileGroups, GroupPlace

QUEUE = ConcurrencyRule(group="deploy")
OLDER = ConcurrencyRule(group="deploy", policy=ConcurrencyPolicy.CANCEL_OLDER)
NEWER = ConcurrencyRule(group="deploy", policy=ConcurrencyPolicy.CANCEL_NEWER)
PROGRAM = """
import sys
from pathlib import Path
from pipeline.model.definition import ConcurrencyRule
from pipeline.ports.cancellation import Cancellation
from pipeline.storage.groups import FileGroups
cancel = Cancellation()
FileGroups(Path(sys.argv[1])).enter(
    ConcurrencyRule(group="deploy"), repository="shop", holder=sys.argv[2], waiting=lambda who: print("waits", who),
    cancel=cancel,
)
print("in", flush=True)
with cancel.calling(lambda: print(cancel.reason, flush=True)):
    sys.stdin.read()
"""


class Guest:
    """Somebody who wants in, in a thread; `told` gets `waits …`, `in` or `out: …`."""

    def __init__(self, root: Path, rule: ConcurrencyRule, holder: str, *, repository: str = "shop") -> None:
        self.cancel = Cancellation()
        self.told: Queue[str] = Queue()
        self.place: GroupPlace | None = None
        self._enter: Callable[[], GroupPlace] = lambda: FileGroups(root).enter(
            rule,
            repository=repository,
            holder=holder,
            waiting=lambda who: self.told.put(f"waits {who}"),
            cancel=self.cancel,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def leave(self) -> None:
        assert self.place is not None
        self.place.leave()

    def heard(self) -> str:
        return self.told.get(timeout=20)

    def _run(self) -> None:
        try:
            self.place = self._enter()
        except CancelledError as error:
            self.told.put(f"out: {error.message}")
        else:
            self.told.put("in")


@contextmanager
def another_process(root: Path, holder: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def test_they_enter_one_after_the_other_as_they_came(tmp_path: Path) -> None:
    first = Guest(tmp_path, QUEUE, "run 1")
    assert first.heard() == "in"
    second = Guest(tmp_path, QUEUE, "run 2")
    assert second.heard() == "waits run 1"
    third = Guest(tmp_path, QUEUE, "run 3")
    assert third.heard() == "waits run 1"
    first.leave()
    assert second.heard() == "in"
    assert third.told.empty()
    second.leave()
    assert third.heard() == "in"
    third.leave()
    third.leave()
    assert [path.name for path in tmp_path.glob("*/*")] == ["door"]


@pytest.mark.parametrize(
    ("rule", "repository"),
    [
        pytest.param(ConcurrencyRule(group="other"), "shop", id="another-group"),
        pytest.param(QUEUE, "elsewhere", id="another-repository"),
    ],
)
def test_other_groups_do_not_wait(tmp_path: Path, rule: ConcurrencyRule, repository: str) -> None:
    first = Guest(tmp_path, QUEUE, "run 1")
    assert first.heard() == "in"
    other = Guest(tmp_path, rule, "run 2", repository=repository)
    assert other.heard() == "in"
    first.leave()
    other.leave()


def test_one_who_gives_up_in_the_line_lets_the_next_move_up(tmp_path: Path) -> None:
    first, second = Guest(tmp_path, QUEUE, "run 1"), None
    assert first.heard() == "in"
    second = Guest(tmp_path, QUEUE, "run 2")
    assert second.heard() == "waits run 1"
    third = Guest(tmp_path, QUEUE, "run 3")
    assert third.heard() == "waits run 1"
    second.cancel.cancel("interrupted")
    assert second.heard() == "out: interrupted"
    first.leave()
    assert third.heard() == "in"
    third.leave()


def test_whoever_comes_stops_those_before(tmp_path: Path) -> None:
    first = Guest(tmp_path, QUEUE, "run 1")
    assert first.heard() == "in"
    second = Guest(tmp_path, QUEUE, "run 2")
    assert second.heard() == "waits run 1"
    third = Guest(tmp_path, OLDER, "run 3")
    assert second.heard() == "out: superseded by run 3"
    assert third.heard() == "waits run 1"
    assert first.cancel.wait(20)
    assert first.cancel.reason == "superseded by run 3"
    first.leave()
    assert third.heard() == "in"
    third.leave()


def test_whoever_comes_gives_way(tmp_path: Path) -> None:
    first = Guest(tmp_path, NEWER, "run 1")
    assert first.heard() == "in"
    second = Guest(tmp_path, NEWER, "run 2")
    assert second.heard() == "out: group 'deploy' is taken by run 1"
    first.leave()
    third = Guest(tmp_path, NEWER, "run 3")
    assert third.heard() == "in"
    third.leave()


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    with another_process(tmp_path, "run 7") as process:
        guest = Guest(tmp_path, QUEUE, "run 8")
        assert guest.heard() == "waits run 7"
        process.kill()
        assert guest.heard() == "in"
    guest.leave()
    after = Guest(tmp_path, QUEUE, "run 9")
    assert after.heard() == "in"
    after.leave()
    assert [path.name for path in tmp_path.glob("*/*")] == ["door"]


def test_another_process_is_asked_to_stop(tmp_path: Path) -> None:
    with another_process(tmp_path, "run 7") as process:
        guest = Guest(tmp_path, OLDER, "run 8")
        assert guest.heard() == "waits run 7"
        assert process.stdout is not None
        assert process.stdout.readline() == "superseded by run 8\n"
        assert process.stdin is not None
        process.stdin.close()
        assert guest.heard() == "in"
    guest.leave()
