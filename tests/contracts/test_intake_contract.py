"""What every implementation of the intake promises, against real databases: kept once, decided once, due once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from test_queue_contract import Ground, item

from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.model.incoming import HookDelivery, HookState
from pipeline.model.repository import ForgeKind, Repository
from pipeline.model.work import WorkState
from pipeline.records.server.intake import SqlIntake

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


def test_old_decided_deliveries_are_forgotten(intake: SqlIntake) -> None:
    for number in (1, 2, 3):
        intake.receive(delivery(number))
    intake.decide(delivery(1).id, "ignored")
    intake.decide(delivery(3).id, "ignored")
    assert intake.forget_deliveries(before=NOON + timedelta(seconds=3)) == 1
    assert [known.id[-1] for known in intake.deliveries()] == ["3", "2"]


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
