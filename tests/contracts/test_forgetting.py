"""What a server forgets in time, on real databases, and what it keeps for as long as somebody needs it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from test_intake_contract import delivery
from test_queue_contract import item, worker

from pipeline.bootstrap import Application
from pipeline.model.outgoing import STATUS, OutboxItem
from pipeline.model.work import WorkState
from pipeline.operations.serving.forgetting import forget_round

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture
def app(database_url: str, tmp_home: Path) -> Iterator[Application]:
    """Remembers events for no time at all, the audit trail for the usual one."""
    made = Application({"ECLUSE_HOME": str(tmp_home), "ECLUSE_DATABASE": database_url, "ECLUSE_KEEP_EVENTS_DAYS": "0"})
    yield made
    made.records.close()


def message(number: int, **more: object) -> OutboxItem:
    known = {"repository": "anna/shop", "kind": STATUS, "key": f"k{number}", "body": {}, "created": LONG_AGO}
    return OutboxItem(id=f"{number:026}", due=LONG_AGO, **{**known, **more})  # type: ignore[arg-type]


def in_state(app: Application, number: int, state: WorkState, *, told: bool = True) -> str:
    """An item that has come so far, and whether its forge knows."""
    app.queue.put(item(number))
    if state is not WorkState.QUEUED:
        taken = app.queue.take(worker(), seconds=600)
        assert taken is not None
        if state is not WorkState.TAKEN:
            app.queue.finish(taken, state=state, detail="")
    if told:
        app.outbox.note_told(app.queue.find(item(number).id))
    return item(number).id


def test_what_is_over_goes_and_what_anybody_waits_for_stays(app: Application) -> None:
    gone = [in_state(app, number, WorkState.DONE) for number in range(1, 4)]
    kept = [
        in_state(app, 4, WorkState.DONE, told=False),
        in_state(app, 5, WorkState.PARKED),
        in_state(app, 6, WorkState.TAKEN),
        in_state(app, 7, WorkState.QUEUED),
    ]
    for number in (1, 2):
        app.intake.receive(delivery(number))
    app.intake.decide(delivery(1).id, "ignored")
    for one in (message(1), message(2), message(3)):
        app.outbox.post(one)
    app.outbox.tried(message(1, sent=LONG_AGO))
    app.outbox.tried(message(2, given_up=LONG_AGO))
    app.queue.greet(worker("long gone"))
    for when, what in ((LONG_AGO, "old"), (app.clock.now(), "new")):
        app.accounts.note_audit(
            time=when, login="anna", action=what, subject="", allowed=True, detail="", address="127.0.0.1"
        )

    forget_round(app)
    forget_round(app)

    found = [known.id for known in app.queue.items(states=list(WorkState), limit=100)]
    assert sorted(found) == kept
    assert not set(gone) & set(found)
    assert [known.id for known in app.intake.deliveries()] == [delivery(2).id]
    assert [known.id for known in app.outbox.messages()] == [message(3).id]
    assert app.queue.workers(now=LONG_AGO) == []
    assert [entry.action for entry in app.accounts.audit()] == ["new"]


def test_more_than_one_lot_goes(app: Application) -> None:
    for number in range(1203):
        app.accounts.note_audit(
            time=LONG_AGO + timedelta(seconds=number),
            login="anna",
            action="old",
            subject="",
            allowed=True,
            detail="",
            address="",
        )
    assert app.accounts.forget_audit(before=LONG_AGO + timedelta(seconds=1201)) == 1201
    assert len(app.accounts.audit()) == 2
