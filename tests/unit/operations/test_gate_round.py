"""When a server asks the gates that something waits for: at news, at a gate's own time, now and then; not else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from served import START, Served, serve

from pipeline.delivery.admission import VERDICT
from pipeline.model.source import Event
from pipeline.model.work import WorkItem, WorkKind, WorkRequest, WorkState
from pipeline.operations.serving.gates import GateRound
from pipeline.ports.application import Application


class Asked:
    """A gate that counts how often it is asked, and says what it is told to."""

    def __init__(self) -> None:
        self.times = 0
        self.open = False

    def __call__(self, app: Application, item: WorkItem) -> bool:
        self.times += 1
        return self.open


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path / "home") as made:
        made.app.queue.put(
            WorkItem(
                id=made.new_id(),
                key="run",
                kind=WorkKind.BUILD,
                request=WorkRequest(repository="anna/shop", sha="main", event=Event(kind="manual")),
                created=START,
                state=WorkState.PARKED,
            )
        )
        yield made


def parked(served: Served) -> int:
    return len(served.app.queue.items(states=(WorkState.PARKED,)))


def verdict(served: Served, *, opens: int) -> None:
    """A gate said that it may open so many seconds after the start; its subject is a promotion, not the item."""
    at = (START + timedelta(seconds=opens)).isoformat()
    served.app.records.note(actor="ecluse", action=VERDICT, subject="a-promotion", reason="", data={"opens": at})


def test_gates_are_asked_at_news_at_their_time_and_each_minute(served: Served) -> None:
    gate = Asked()
    look = GateRound(served.app, gate)
    verdict(served, opens=10)
    look()
    look()
    assert gate.times == 1, "nothing has changed since"
    served.time.pass_by(seconds=9)
    look()
    assert gate.times == 1
    served.time.pass_by(seconds=1)
    look()
    assert gate.times == 2, "its time has come"
    for _ in range(5):
        served.time.pass_by(seconds=1)
        look()
    assert gate.times == 2, "a time that has come is no reason to ask again and again"
    served.app.records.note(actor="anna", action="said", subject="x", reason="", data={})
    look()
    assert gate.times == 3, "the ledger has grown"
    served.time.pass_by(seconds=60)
    look()
    assert gate.times == 4, "a check may answer otherwise by now"


def test_what_may_go_on_is_woken_once(served: Served) -> None:
    gate = Asked()
    gate.open = True
    look = GateRound(served.app, gate)
    look()
    look()
    assert (gate.times, parked(served)) == (1, 0)
