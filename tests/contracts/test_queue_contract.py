"""What every implementation of the queue promises, against real databases: taken by one, fenced, fair, heard of."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from test_records_contract import plan, run

from pipeline.errors import LeaseLostError, NotFoundError
from pipeline.model.source import Event
from pipeline.model.status import RunState
from pipeline.model.work import Fence, Worker, WorkerState, WorkItem, WorkKind, WorkLimits, WorkRequest, WorkState
from pipeline.ports.queue import Queue
from pipeline.records.server.queue import SqlQueue
from pipeline.records.sql import SqlRecords

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CANCELS = """
import sys
from pipeline.records.server.queue import SqlQueue
from pipeline.records.sql import SqlRecords
SqlQueue(SqlRecords(sys.argv[1]).database).cancel(sys.argv[2], by="berta")
"""
"""Another process, of which this one hears by the database alone."""


@dataclass
class Ground:
    """One queue, as several processes have it."""

    url: str
    opened: list[SqlRecords]

    def records(self) -> SqlRecords:
        self.opened.append(SqlRecords(self.url))
        return self.opened[-1]

    def queue(self, limits: WorkLimits | None = None) -> Queue:
        return SqlQueue(self.records().database, limits=limits)


@pytest.fixture
def ground(database_url: str) -> Iterator[Ground]:
    made = Ground(database_url, [])
    yield made
    for records in made.opened:
        records.close()


@pytest.fixture
def queue(ground: Ground) -> Queue:
    return ground.queue()


def worker(name: str = "one", *labels: str) -> Worker:
    return Worker(
        name=name, host="h", version="1", labels=labels, slots=2, state=WorkerState.READY, started=NOON, seen=NOON
    )


def item(number: int, *, repository: str = "anna/shop", kind: WorkKind = WorkKind.BUILD, **more: object) -> WorkItem:
    request = WorkRequest(
        repository=repository,
        sha="4f1c0de",
        event=Event(kind="push", branch="topic/'<é>", actor="anna"),
        variables={"A": "b"},
    )
    made = WorkItem(id=f"01jd{number:022d}", key=f"hook:{number}", kind=kind, request=request, created=NOON)
    return replace(made, **more)  # type: ignore[arg-type]  # fields of WorkItem


def turns(queue: Queue, taker: Worker, *, ending: bool = False) -> list[int]:
    """The numbers of the items in the order in which they are taken; `ending`: each ends before the next is taken."""
    taken = []
    while (found := queue.take(taker, seconds=60)) is not None:
        taken.append(int(found.id[4:]))
        if ending:
            queue.finish(found, state=WorkState.DONE, detail="succeeded")
    return taken


def test_what_is_put_is_taken_once_and_finished(queue: Queue) -> None:
    assert queue.put(item(1))
    assert not queue.put(item(2, key="hook:1")), "the same cause"
    assert not queue.put(item(1, key="hook:9")), "the same run"
    assert queue.find(item(1).id) == item(1)

    taken = queue.take(worker(), seconds=60)
    assert taken is not None
    assert (taken.state, taken.worker, taken.token, taken.request) == (WorkState.TAKEN, "one", 1, item(1).request)
    assert queue.take(worker("two"), seconds=60) is None

    queue.finish(taken, state=WorkState.DONE, detail="succeeded")
    done = queue.find(taken.id)
    assert (done.state, done.detail, done.expires) == (WorkState.DONE, "succeeded", None)
    assert done.finished is not None
    assert queue.items() == []
    assert [known.id for known in queue.items(states=[WorkState.DONE])] == [taken.id]
    assert [known.id for known in queue.items(states=[WorkState.DONE], among=["anna/shop", "b/c"])] == [taken.id]
    assert queue.items(states=[WorkState.DONE], among=["anna/till"]) == []
    assert queue.items(states=[WorkState.DONE], among=[]) == []


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda queue, it: queue.renew(it, seconds=60), id="renew"),
        pytest.param(lambda queue, it: queue.finish(it, state=WorkState.DONE, detail="late"), id="finish"),
        pytest.param(lambda queue, it: queue.finish(it, state=WorkState.PARKED, detail="late"), id="park"),
        pytest.param(lambda queue, it: queue.give_back(it, why="late"), id="give back"),
    ],
)
def test_who_was_overtaken_writes_nothing(queue: Queue, act: Callable[[Queue, WorkItem], object]) -> None:
    queue.put(item(1))
    late = queue.take(worker("late"), seconds=0)
    assert late is not None
    now = queue.take(worker("late"), seconds=60)  # even under the same name
    assert now is not None
    assert now.token > late.token
    with pytest.raises(LeaseLostError):
        act(queue, late)
    assert queue.find(late.id) == now


def test_records_of_who_was_overtaken_stay_as_they_are(ground: Ground) -> None:
    queue = ground.queue()
    queue.put(item(1))
    late = queue.take(worker("late"), seconds=0)
    assert late is not None
    there, here = ground.records(), ground.records()
    there.hold(Fence(run=late.id, item=late.id, token=late.token))
    made = replace(run(1), id=late.id)
    there.create_run(made, plan("unit"))
    there.update_run(late.id, state=RunState.QUEUED)

    assert queue.take(worker("next"), seconds=60) is not None
    for write in (
        lambda: there.update_run(late.id, state=RunState.DONE),
        lambda: there.save_stage(late.id, here.find_run(late.id).stages[0]),
        lambda: there.save_plan(late.id, plan("unit")),
        lambda: there.reopen_run(here.find_run(late.id), made.runner),  # type: ignore[arg-type]  # it has one
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert here.find_run(late.id).state is RunState.QUEUED
    there.create_run(replace(run(2), repository="other"), plan("unit"))  # its word holds for other runs


def test_a_lease_is_renewed_and_brings_what_others_noted(queue: Queue) -> None:
    queue.put(item(1))
    taken = queue.take(worker(), seconds=5)
    assert taken is not None
    assert queue.cancel(taken.id, by="berta").state is WorkState.TAKEN
    renewed = queue.renew(taken, seconds=500)
    assert renewed.cancel == "berta"
    assert renewed.expires is not None
    assert taken.expires is not None
    assert renewed.expires - taken.expires > timedelta(seconds=400)
    assert queue.take(worker("two"), seconds=60) is None


def test_what_is_given_back_is_anybody_s(queue: Queue) -> None:
    queue.put(item(1))
    taken = queue.take(worker(), seconds=60)
    assert taken is not None
    queue.give_back(taken, why="drains")
    back = queue.find(taken.id)
    assert (back.state, back.worker, back.detail, back.token) == (WorkState.QUEUED, "", "drains", 1)
    again = queue.take(worker("two"), seconds=60)
    assert again is not None
    assert again.token == 2


def test_parked_and_woken(queue: Queue) -> None:
    queue.put(item(1))
    assert not queue.wake(item(1).id), "it is not parked"
    taken = queue.take(worker(), seconds=60)
    assert taken is not None
    queue.finish(taken, state=WorkState.PARKED, detail="ask: waits")
    assert queue.take(worker(), seconds=60) is None
    assert queue.wake(taken.id, started=["ask"], by="berta")
    again = queue.take(worker(), seconds=60)
    assert again is not None
    assert (again.request.started, again.request.by) == (("ask",), "berta")


@pytest.mark.parametrize(
    ("before", "state"),
    [
        pytest.param("queued", WorkState.DONE, id="nobody had it"),
        pytest.param("waits", WorkState.DONE, id="it waited for a word from the start"),
        pytest.param("given back", WorkState.QUEUED, id="its run is to be ended"),
        pytest.param("parked", WorkState.QUEUED, id="its parked run is to be ended"),
        pytest.param("taken", WorkState.TAKEN, id="its worker is asked"),
        pytest.param("done", WorkState.DONE, id="it is over"),
    ],
)
def test_cancelling(queue: Queue, before: str, state: WorkState) -> None:
    queue.put(item(1, state=WorkState.PARKED if before == "waits" else WorkState.QUEUED))
    if before not in ("queued", "waits"):
        taken = queue.take(worker(), seconds=60)
        assert taken is not None
        match before:
            case "given back":
                queue.give_back(taken, why="")
            case "parked":
                queue.finish(taken, state=WorkState.PARKED, detail="")
            case "done":
                queue.finish(taken, state=WorkState.DONE, detail="succeeded")
    found = queue.cancel(item(1).id, by="berta")
    assert found.state is state
    assert found.cancel == ("" if before == "done" else "berta")


def test_the_order_of_turns(queue: Queue) -> None:
    """Deliveries, builds, schedules; of each the repository with the least under way, then the oldest."""
    queue.put(item(1, kind=WorkKind.SCHEDULED))
    for number in (2, 3, 4):
        queue.put(item(number))
    queue.put(item(5, repository="berta/till"))
    queue.put(item(6, kind=WorkKind.DELIVERY))
    assert [int(known.id[4:]) for known in queue.items()] == [6, 2, 3, 4, 5, 1]
    assert turns(queue, worker()) == [6, 5, 2, 3, 4, 1]


def test_no_repository_starves_another(queue: Queue) -> None:
    for number in range(1, 31):
        queue.put(item(number))
    for number in range(31, 34):
        queue.put(item(number, repository=f"other/{number}"))
    first = [queue.take(worker(), seconds=60) for _ in range(4)]
    assert {taken.request.repository for taken in first if taken} == {"anna/shop", "other/31", "other/32", "other/33"}


def test_a_flood_of_one_repository_or_kind_is_passed_now_and_then(queue: Queue) -> None:
    """One after the other, as a single slot takes them."""
    for number in range(1, 31):
        queue.put(item(number, kind=WorkKind.DELIVERY, repository=f"r/{number % 2}"))
    for number in range(31, 61):
        queue.put(item(number))
    queue.put(item(61, repository="other/one"))
    queue.put(item(62, kind=WorkKind.SCHEDULED, repository="other/two"))
    taken = turns(queue, worker(), ending=True)
    assert Counter(taken) == Counter(range(1, 63))
    assert taken[:9] == [1, 2, 3, 31, 4, 5, 6, 61, 7], "every fourth is a build, of whom was not served yet"
    assert taken.index(62) == 9


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        pytest.param(WorkLimits(repository=2), {"anna/shop": 2, "berta/till": 2}, id="of each repository"),
        pytest.param(WorkLimits(builds=3), {"anna/shop": 2, "berta/till": 1}, id="of builds"),
    ],
)
def test_limits_hold_among_many_takers(ground: Ground, limits: WorkLimits, most: dict[str, int]) -> None:
    queues = [ground.queue(limits) for _ in range(4)]
    for number in range(1, 21):
        queues[0].put(item(number, repository="anna/shop" if number < 20 else "berta/till"))
    queues[0].put(item(21, repository="berta/till"))
    begin = threading.Barrier(len(queues))

    def take_all(mine: Queue) -> list[WorkItem]:
        begin.wait()
        taken = iter(lambda: mine.take(worker(f"w{id(mine)}"), seconds=60), None)
        return list(taken)

    with ThreadPoolExecutor(len(queues)) as pool:
        taken = [one for found in pool.map(take_all, queues) for one in found]
    assert Counter(one.request.repository for one in taken) == most
    queues[0].finish(taken[0], state=WorkState.DONE, detail="succeeded")
    following = queues[1].take(worker(), seconds=60)
    assert following is not None
    assert queues[1].take(worker(), seconds=60) is None


def test_the_dead_count_no_more(ground: Ground) -> None:
    queue = ground.queue(WorkLimits(repository=1))
    queue.put(item(1))
    queue.put(item(2))
    dead = queue.take(worker("dead"), seconds=0)
    assert dead is not None
    again = queue.take(worker("two"), seconds=60)
    assert again is not None
    assert (again.id, again.token) == (dead.id, 2), "what was interrupted goes on before what has not begun"
    assert queue.take(worker("two"), seconds=60) is None


def test_labels(queue: Queue) -> None:
    for number in range(1, 40):
        queue.put(item(number, labels=("gpu", "arm64")))
    queue.put(item(40, labels=("gpu",)))
    queue.put(item(41))
    assert turns(queue, worker("plain")) == [41]
    assert turns(queue, worker("gpu", "gpu", "big")) == [40]
    assert turns(queue, worker("both", "arm64", "gpu"), ending=True) == list(range(1, 40))


def test_many_takers_at_once_take_each_item_once(ground: Ground) -> None:
    queues = [ground.queue() for _ in range(4)]
    for number in range(1, 61):
        queues[0].put(item(number, repository=f"r/{number % 3}"))
    begin = threading.Barrier(len(queues))

    def take_all(mine: Queue) -> list[int]:
        begin.wait()
        return turns(mine, worker(f"w{id(mine)}"))

    with ThreadPoolExecutor(len(queues)) as pool:
        taken = [number for found in pool.map(take_all, queues) for number in found]
    assert Counter(taken) == Counter(range(1, 61))


def test_others_hear_of_it(ground: Ground, database_url: str) -> None:
    """Within a process always; from others where the database can tell."""
    here, there = ground.queue(), ground.queue()
    heard = threading.Event()
    end = here.listen(heard.set)
    assert here.put(item(1))
    assert heard.wait(60)
    taken = there.take(worker(), seconds=60)
    assert taken is not None
    heard.clear()
    there.give_back(taken, why="drains")
    assert heard.wait(60)
    if not database_url.startswith("sqlite"):
        heard.clear()
        subprocess.run([sys.executable, "-c", CANCELS, database_url, item(1).id], check=True)
        assert heard.wait(60)
    end()


def test_workers(queue: Queue) -> None:
    queue.greet(worker("two", "gpu"))
    queue.greet(worker("one"))
    queue.greet(replace(worker("two", "gpu"), state=WorkerState.DRAINING, seen=NOON + timedelta(seconds=50)))
    states = {known.name: known.state for known in queue.workers(now=NOON + timedelta(seconds=61))}
    assert states == {"one": WorkerState.GONE, "two": WorkerState.DRAINING}
    assert queue.workers(now=NOON)[1].labels == ("gpu",)


def test_remarks_are_for_those_who_wait(queue: Queue) -> None:
    queue.put(item(1))
    queue.remark(item(1).id, "no worker has the label 'gpu'")
    assert queue.find(item(1).id).detail == "no worker has the label 'gpu'"
    taken = queue.take(worker(), seconds=60)
    assert taken is not None
    queue.remark(taken.id, "late")
    assert queue.find(taken.id).detail == ""


@pytest.mark.parametrize("ask", [lambda queue: queue.find("x"), lambda queue: queue.cancel("x", by="berta")])
def test_what_is_not_there(queue: Queue, ask: Callable[[Queue], object]) -> None:
    with pytest.raises(NotFoundError, match="'x'"):
        ask(queue)
    assert not queue.wake("x")
