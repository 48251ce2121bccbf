"""Groups over machines: processes with homes of their own on one database; one at a time, in the order of arrival."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pipeline.bootstrap import Application
from pipeline.errors import CancelledError
from pipeline.model.definition import ConcurrencyPolicy, ConcurrencyRule
from pipeline.ports.cancellation import Cancellation
from pipeline.records.server.groups import SqlGroups
home, url, holder, policy = sys.argv[1:]
app = Application({"ECLUSE_HOME": home, "ECLUSE_DATABASE": url, "ECLUSE_LEASE": "5"})
groups = SqlGroups(app.records.database, lease=5) if url.startswith("sqlite") else app.groups
cancel = Cancellation()
try:
    place = groups.enter(
        ConcurrencyRule(group="deploy", policy=ConcurrencyPolicy(policy)), repository="shop", holder=holder,
        waiting=lambda who: print("waits", who, flush=True), cancel=cancel,
    )
except CancelledError as error:
    print("out:", error.message, flush=True)
    sys.exit()
print("in", flush=True)
with cancel.calling(lambda: print(cancel.reason, flush=True)):
    sys.stdin.read()
place.leave()
"""

Machine = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[Machine]:
    """Begins a process of another machine that wants into the group."""
    begun: list[subprocess.Popen[str]] = []

    def begin(holder: str, policy: str = "queue") -> subprocess.Popen[str]:
        home = tmp_path / f"machine-{len(begun)}"
        words = [sys.executable, "-c", PROGRAM, str(home), database_url, holder, policy]
        begun.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leaves(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() == 0


def test_one_at_a_time_in_the_order_of_arrival(machine: Machine) -> None:
    first = machine("run 1")
    assert said(first) == "in"
    second = machine("run 2")
    assert said(second) == "waits run 1"
    third = machine("run 3")
    assert said(third) == "waits run 1"
    leaves(first)
    assert said(second) == "in"
    assert said(third) == "waits run 2"
    second.kill()
    assert said(third) == "in", "the place of whoever died runs out"
    leaves(third)


def test_policies(machine: Machine) -> None:
    first = machine("run 1")
    assert said(first) == "in"
    assert said(machine("run 2", "cancel_newer")) == "out: group 'deploy' is taken by run 1"
    newest = machine("run 3", "cancel_older")
    assert said(newest) == "waits run 1"
    assert said(first) == "superseded by run 3"
    leaves(first)
    assert said(newest) == "in"


def test_whoever_takes_a_run_over_takes_its_place_over(machine: Machine) -> None:
    late = machine("run 1")
    assert said(late) == "in"
    waits = machine("run 2")
    assert said(waits) == "waits run 1"
    again = machine("run 1", "cancel_newer")
    assert said(again) == "in"
    assert said(late) == "its place in group 'deploy' is lost"
    leaves(again)
    assert said(waits) == "in"
