"""What a dead worker left running on this machine counts until it ends, and nothing else does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.model.source import Event
from pipeline.model.work import WorkItem, WorkKind, WorkRequest, WorkState
from pipeline.operations.serving.survivors import Process, Survivors, left_behind, processes

WORKER = "build-1-4711-ab12cd"
ITEM = WorkItem(
    id="01jd0000000000000000000001",
    key="hook:1",
    kind=WorkKind.BUILD,
    request=WorkRequest(repository="anna/shop", sha="4f1c0de", event=Event(kind="push")),
    created=datetime(2026, 11, 27, tzinfo=UTC),
    state=WorkState.TAKEN,
    worker=WORKER,
)
MAKES = ("python", "make-run", ITEM.id, "--token", "1", "--worker", WORKER)


@pytest.mark.parametrize(
    ("words", "parent", "host", "found"),
    [
        pytest.param(MAKES, 1, "build-1", [7], id="its worker is dead"),
        pytest.param(MAKES, 4711, "build-1", [], id="its worker lives, and counts it itself"),
        pytest.param(MAKES, 1, "build", [], id="a worker of another host"),
        pytest.param((*MAKES[:-1], "build-1-99-ffffff"), 1, "build-1", [], id="a process of one that was overtaken"),
        pytest.param(("vi", ITEM.id), 1, "build-1", [], id="somebody else's process"),
    ],
)
def test_left_behind(words: Sequence[str], parent: int, host: str, found: list[int]) -> None:
    process = Process(pid=7, parent=parent, words=tuple(words))
    assert list(left_behind([ITEM], [process], host=host)) == found


def test_a_survivor_counts_until_it_ends() -> None:
    """A real process, whose worker (by the name) is not the one that began it."""
    worker = f"{socket.gethostname()}-{2**22 + 1}-ab12cd"  # more than a pid can be
    waits = "import sys; print('here', flush=True); sys.stdin.read()"
    sleeps = [sys.executable, "-c", waits, ITEM.id, "--worker", worker]
    made = subprocess.Popen(sleeps, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert made.stdout is not None
    assert made.stdout.readline() == b"here\n"  # before that, /proc may not have its words yet
    taken = replace(ITEM, worker=worker)
    pids = left_behind([taken], processes(), host=socket.gethostname())
    survivors = Survivors([*pids, os.getpid()])
    assert pids == (made.pid,)
    assert survivors.count() == 2
    made.communicate()
    assert survivors.count() == 1
