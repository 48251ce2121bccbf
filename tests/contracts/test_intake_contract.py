"""What every implementation of the intake promises, against real databases: kept once, decided once, due once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from test_queue_contract import Ground, item, worker

from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.model.incoming import HookDelivery, HookState
from pipeline.model.repository import ForgeKind, Repository
from pipeline.model.work import WorkEnd, WorkKind, WorkState
from pipeline.records.server.intake import SqlIntake
from pipeline.records.sql import SqlRecords

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SHOP = Repository(name="anna/shop", url="https://forge.example.org/anna/shop.git", created=NOON)


@pytest.fixture
def ground(database_url: str) -> Iterator[Ground]:
    made = Ground(database_url, [])
    yield made
    for records in made.opened:
        records.close()


@pytest.fixture
def intake(ground: Ground) -> SqlIntake:
    return SqlIntake(ground.records().database)


def delivery(number: int, **more: object) -> HookDelivery:
    made = HookDelivery(
        id=f"01jd{number:022d}",
        repository="anna/shop",
        key=f"key-{number}",
        event="push",
        headers={"x-event": "push"},
        body=b'{"ref": "\x00\xff"}',
        received=NOON + timedelta(seconds=number),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields of HookDelivery


def test_repositories(intake: SqlIntake) -> None:
    intake.save_repository(SHOP)
    changed = replace(SHOP, forge=ForgeKind.GITEA, forks=True, active=False)
    intake.save_repository(changed)
    till = replace(SHOP, name="anna/till", url="https://forge.example.org/anna/till.git")
    intake.save_repository(till)
    assert intake.find_repository("anna/shop") == changed
    assert intake.repositories() == [changed, till]
    with pytest.raises(RefusedError, match="anna/shop"):
        intake.save_repository(replace(till, url=SHOP.url))
    intake.remove_repository("anna/shop")
    for ask in (intake.find_repository, intake.remove_repository):
        with pytest.raises(NotFoundError, match="anna/shop"):
            ask("anna/shop")


def test_a_delivery_is_kept_once(intake: SqlIntake) -> None:
    assert intake.receive(delivery(1))
    assert not intake.receive(delivery(2, key="key-1"))
    assert intake.receive(delivery(3, key="key-1", repository="anna/till"))
    new = intake.receive_all([delivery(4), delivery(5, key="key-4"), delivery(6)])
    assert new == {delivery(4).id, delivery(6).id}
    assert intake.undecided()[0] == delivery(1)
    assert [known.id[-1] for known in intake.undecided()] == ["1", "3", "4", "6"]
    assert [known.id[-1] for known in intake.undecided(limit=1, without=["anna/shop"])] == ["3"]
    assert [known.id[-1] for known in intake.deliveries(repository="anna/shop", limit=2)] == ["6", "4"]


def test_deliveries_page_by_page_without_what_was_sent(intake: SqlIntake) -> None:
    for number in range(1, 6):
        intake.receive(delivery(number, repository="anna/till" if number == 4 else "anna/shop"))
    first = intake.delivery_notes(repository="anna/shop", limit=2)
    assert [(known.id[-1], known.bytes) for known in first] == [("5", 13), ("3", 13)]
    rest = intake.delivery_notes(repository="anna/shop", limit=5, before=first[-1].id)
    assert [known.id[-1] for known in rest] == ["2", "1"]
    assert [known.id[-1] for known in intake.delivery_notes(limit=2)] == ["5", "4"]


def test_a_delivery_is_found_by_the_beginning_of_its_id(intake: SqlIntake) -> None:
    for number in (1, 2):
        intake.receive(delivery(number))
    assert intake.find_delivery(delivery(2).id) == delivery(2)
    assert intake.find_delivery(delivery(2).id, repository="anna/shop") == delivery(2)
    with pytest.raises(UsageError, match="several"):
        intake.find_delivery(delivery(2).id[:-1])
    for reference, repository in (("", ""), ("%", ""), ("nothing", ""), (delivery(2).id, "anna/till")):
        with pytest.raises(NotFoundError):
            intake.find_delivery(reference, repository=repository)


def test_a_delivery_is_decided_once(ground: Ground, intake: SqlIntake) -> None:
    queue = ground.queue()
    intake.receive(delivery(1))
    assert intake.decide(delivery(1).id, "run 1", work=[item(1), item(2, key="hook:1")]) == [item(1)]
    assert intake.decide(delivery(1).id, "run 3", work=[item(3)]) == ()
    (known,) = intake.deliveries()
    assert (known.state, known.decision) == (HookState.DECIDED, "run 1")
    assert queue.items() == [item(1)]
    assert intake.undecided() == []


def test_many_decide_at_once(ground: Ground) -> None:
    intakes = [SqlIntake(ground.records().database) for _ in range(4)]
    for number in range(1, 11):
        intakes[0].receive(delivery(number))
    begin = threading.Barrier(len(intakes))

    def decide(mine: int) -> int:
        begin.wait()
        return sum(
            len(
                intakes[mine].decide(delivery(number).id, "run", work=[item(mine * 100 + number, key=f"hook:{number}")])
            )
            for number in range(1, 11)
        )

    with ThreadPoolExecutor(len(intakes)) as pool:
        assert sum(pool.map(decide, range(len(intakes)))) == 10
    assert len(ground.queue().items()) == 10


def needless() -> list[WorkEnd]:
    """What a newer push makes needless: one that waits, and one that runs."""
    return [WorkEnd(item=item(number).id, by="a newer push", begun=number == 1) for number in (1, 2)]


def decide_and_die(url: str, left: int) -> int:
    """A process that decides the first delivery and is killed (-9) before its statement, or commit, of that number;
    how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        database = SqlRecords(url).database()
        counter = iter(range(left))

        def counted(*_: object) -> None:
            if next(counter, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(sa.Engine, "before_cursor_execute", counted)
        sa.event.listen(sa.Engine, "commit", counted)
        SqlIntake(lambda: database).decide(delivery(1).id, "run 3", work=[item(3)], ends=needless())
        os._exit(0)
    finally:
        os._exit(1)


def test_who_dies_while_it_decides_has_decided_nothing_or_all(ground: Ground, intake: SqlIntake) -> None:
    """Killed before each of its statements in turn, until one comes through."""
    queue = ground.queue()
    intake.receive(delivery(1))
    queue.put(item(1))
    assert queue.take(worker(), seconds=3600)
    queue.put(item(2))
    deaths = 0
    while (code := decide_and_die(ground.url, deaths)) != 0:
        assert code == -signal.SIGKILL
        deaths += 1
        assert [known.id for known in intake.undecided()] == [delivery(1).id]
        assert [(known.id, known.cancel) for known in queue.items()] == [(item(1).id, ""), (item(2).id, "")]
    assert deaths >= 5, "it died before the delivery, the new item, the ends of the old ones, and the commit"
    assert intake.undecided() == []
    assert [(known.id, known.state, known.cancel) for known in queue.items()] == [
        (item(1).id, WorkState.TAKEN, "a newer push"),
        (item(3).id, WorkState.QUEUED, ""),
    ]
    ended = queue.find(item(2).id)
    assert (ended.state, ended.detail) == (WorkState.DONE, "cancelled by a newer push")
    assert ended.finished is not None


@pytest.mark.parametrize(
    ("begun", "states"),
    [
        pytest.param(False, ["done", "queued", "parked", "taken"], id="what has not begun"),
        pytest.param(True, ["done", "queued", "queued", "taken"], id="also what has begun"),
    ],
)
def test_what_is_needless_ends(ground: Ground, intake: SqlIntake, begun: bool, states: list[str]) -> None:
    queue = ground.queue()
    for number in (4, 3, 2, 1):
        queue.put(item(number, kind=WorkKind.DELIVERY if number > 1 else WorkKind.BUILD))
    for _ in (2, 3, 4):
        taken = queue.take(worker(), seconds=3600)
        assert taken is not None
        if taken.id == item(2).id:
            queue.give_back(taken, why="drains", labels=["nobody"])
        elif taken.id == item(3).id:
            queue.finish(taken, state=WorkState.PARKED, detail="ask: waits")
    ends = [WorkEnd(item=item(number).id, by="the end of its branch", begun=begun) for number in (1, 2, 3, 4)]
    intake.receive(delivery(1))
    intake.decide(delivery(1).id, "over", ends=ends)
    found = [queue.find(item(number).id) for number in (1, 2, 3, 4)]
    assert [known.state for known in found] == states
    assert [bool(known.cancel) for known in found] == [True, begun, begun, begun]


def test_old_decided_deliveries_are_forgotten(intake: SqlIntake) -> None:
    for number in (1, 2, 3):
        intake.receive(delivery(number))
    intake.decide(delivery(1).id, "ignored")
    intake.decide(delivery(3).id, "ignored")
    assert intake.forget_deliveries(before=NOON + timedelta(seconds=3)) == 1
    assert [known.id[-1] for known in intake.deliveries()] == ["3", "2"]
    assert [known.id[-1] for known in intake.delivery_notes()] == ["3", "2"]
    with pytest.raises(NotFoundError):
        intake.find_delivery(delivery(1).id)


def test_a_forgotten_delivery_comes_no_second_time_until_its_key_is_forgotten_too(intake: SqlIntake) -> None:
    later = NOON + timedelta(days=1)
    intake.receive(delivery(1))
    intake.decide(delivery(1).id, "ignored")
    again = replace(delivery(2), key=delivery(1).key)
    assert intake.forget_deliveries(before=later, keys_before=NOON) == 1
    assert intake.forget_deliveries(before=later, keys_before=NOON) == 0
    assert not intake.receive(again)
    assert intake.undecided() == []
    intake.forget_deliveries(before=later, keys_before=later)
    assert intake.receive(again)


def test_a_schedule_comes_due_once(ground: Ground, intake: SqlIntake) -> None:
    queue, other = ground.queue(), SqlIntake(ground.records().database)
    assert intake.schedule_mark("anna/shop", "0 3 * * *") is None
    assert intake.mark_schedule("anna/shop", "0 3 * * *", NOON)
    assert intake.mark_schedule("anna/shop", "0 3 * * *", NOON + timedelta(hours=1), work=[item(1)])
    for late in (NOON, NOON + timedelta(hours=1)):
        assert not other.mark_schedule("anna/shop", "0 3 * * *", late, work=[item(2)])
    assert other.schedule_mark("anna/shop", "0 3 * * *") == NOON + timedelta(hours=1)
    assert other.schedule_mark("anna/shop", "0 4 * * *") is None
    assert [known.id for known in queue.items(states=[WorkState.QUEUED])] == [item(1).id]
