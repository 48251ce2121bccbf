"""Deliveries and schedules become runs, by what the pipeline file says: real git, the real database, time injected."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from environment.command import Command
from environment.repository import Repository
from environment.serving import Ground, awaited, ground

from pipeline.bootstrap import Application
from pipeline.model.incoming import HookDelivery, HookState
from pipeline.model.repository import ForgeKind
from pipeline.model.trust import Trust
from pipeline.model.ulid import ulid
from pipeline.model.work import WorkItem, WorkKind, WorkState
from pipeline.operations.serving.asking import allow_run, ask_run
from pipeline.operations.serving.dispatching import Dispatcher
from pipeline.operations.serving.schedules import Scheduler

NOBODY = "0" * 40
PIPELINE = """
version: 1
name: shop
{more}
triggers:
  push: {{branches: [main, "topic/*"], tags: ["v*"], paths: ["src/**"]}}
  pull_request:
  schedule: {{cron: "0 3 * * *", timezone: Europe/Paris}}
defaults: {{image: busybox}}
stages:
  checkout: {{kind: checkout}}
  unit: {{commands: ["true"]}}
"""
FILES = {"pipeline.yml": PIPELINE.format(more=""), "src/a": "a\n"}


class Times:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


class Station:
    """A server's dispatcher over one repository."""

    def __init__(self, serving: Ground, repository: Repository, **more: object) -> None:
        self.app: Application = serving.app
        self.git = repository
        self.known = serving.look_after(repository, **more)
        self.dispatcher = Dispatcher(self.app)

    def deliver(self, body: object, *, event: str = "push") -> HookDelivery:
        """Comes in and is decided."""
        now = self.app.clock.now()
        id_ = ulid(now, os.urandom(10))
        delivery = HookDelivery(
            id=id_, repository=self.known.name, key=id_, event=event, headers={}, body=json.dumps(body).encode(),
            received=now,
        )  # fmt: skip
        self.app.intake.receive(delivery)
        self.dispatcher.decide(delivery)
        return next(item for item in self.app.intake.deliveries() if item.id == id_)

    def push(self, branch: str = "main", *, tag: str = "", after: str = "", before: str = NOBODY) -> HookDelivery:
        """A push of what the branch is now."""
        ref = f"refs/tags/{tag}" if tag else f"refs/heads/{branch}"
        after = after or self.git.git("rev-parse", ref)
        return self.deliver({"actor": "anna", "changes": [{"ref": ref, "before": before, "after": after}]})

    def items(self, *states: WorkState) -> list[WorkItem]:
        return list(self.app.queue.items(states=states))


@pytest.fixture
def serving(ecluse: Command, tmp_path: Path) -> Iterator[Ground]:
    with ground(ecluse, tmp_path) as made:
        yield made


@pytest.fixture
def station(serving: Ground, git_repo: Callable[..., Repository]) -> Station:
    return Station(serving, git_repo(FILES))


def test_a_push_becomes_work_once(station: Station) -> None:
    delivery = station.push()
    (item,) = station.items()
    assert delivery.state is HookState.DECIDED
    assert delivery.decision == f"run {item.id}"
    assert item.key == f"hook:{delivery.id}"
    assert (item.request.sha, item.request.event.branch, item.request.event.actor) == (
        station.git.git("rev-parse", "HEAD"),
        "main",
        "anna",
    )
    station.dispatcher.decide(replace(delivery, state=HookState.RECEIVED))
    assert station.items() == [item]


@pytest.mark.parametrize(
    ("act", "decision"),
    [
        pytest.param(lambda it: it.push("other"), "triggers.push: branch is 'other', wants", id="branch"),
        pytest.param(lambda it: it.push(tag="x1"), "triggers.push: tag is 'x1', wants", id="tag"),
        pytest.param(lambda it: it.push(after="1" * 40), "does not have the commit 111111111111", id="commit"),
        pytest.param(lambda it: it.push("empty"), "has no pipeline.yml", id="no file"),
        pytest.param(lambda it: it.push("other", after=NOBODY), "branch other is gone", id="deleted"),
        pytest.param(lambda it: it.deliver({}, event="ping"), "the hook works", id="ping"),
        pytest.param(lambda it: it.deliver([1]), "unreadable", id="nonsense"),
        pytest.param(lambda it: it.push("main", before=it.git.git("rev-parse", "HEAD~1")), "paths is", id="paths"),
    ],
)
def test_why_no_run_starts(station: Station, act: Callable[[Station], HookDelivery], decision: str) -> None:
    git = station.git.git
    git("branch", "other")
    git("tag", "x1")
    station.git.commit({"docs/a": "a"})
    git("checkout", "-q", "--orphan", "empty")
    git("rm", "-rfq", ".")
    station.git.commit({"README": ""})
    git("checkout", "-q", "main")
    assert decision in act(station).decision
    assert station.items() == []


def test_the_labels_of_all_stages_choose_the_worker(station: Station) -> None:
    more = "  heavy: {runs_on: [gpu, arm64], commands: ['true']}\n  light: {runs_on: gpu, commands: ['true']}\n"
    station.git.commit({"pipeline.yml": FILES["pipeline.yml"] + more, "src/a": "b\n"})
    station.push()
    assert [item.labels for item in station.items()] == [("arm64", "gpu")]


def test_a_worker_without_the_labels_gives_what_a_person_asked_for_to_another(
    station: Station, serving: Ground
) -> None:
    more = "  heavy: {runs_on: gpu, commands: ['true']}\n"
    station.git.commit({"pipeline.yml": FILES["pipeline.yml"] + more})
    asked = ask_run(station.app, "anna/shop", ref="", variables={}, by="anna")
    serving.worker()
    back = awaited(lambda: next((item for item in station.items(WorkState.QUEUED) if item.labels), None))
    assert (back.id, back.labels) == (asked.id, ("gpu",))
    assert back.detail == "needs a worker with the label 'gpu'"
    serving.worker(ECLUSE_LABELS="gpu")
    assert serving.item(asked.id).detail == "succeeded"


def test_a_bad_file_is_told_by_a_run(station: Station) -> None:
    station.git.commit({"pipeline.yml": "version: 1\nname: [\n"})
    station.push()
    assert len(station.items()) == 1


@pytest.mark.parametrize("forks", [False, True])
def test_a_stranger_s_change_waits_for_a_word(
    serving: Ground, git_repo: Callable[..., Repository], forks: bool
) -> None:
    repository = git_repo(FILES)
    repository.git("checkout", "-q", "-b", "fork")
    head = repository.commit({"src/a": "b\n"})
    repository.git("update-ref", "refs/pull/7/head", head)
    repository.git("checkout", "-q", "main")
    repository.git("branch", "-D", "fork")
    station = Station(serving, repository, forge=ForgeKind.GITEA, forks=forks)
    sender = {"login": "stranger", "full_name": "anna/shop"}
    here, there = (
        {"id": number, "full_name": name, "clone_url": "https://x/y.git"}
        for number, name in ((1, "anna/shop"), (2, "stranger/shop"))
    )
    body = {
        "action": "opened", "number": 7, "repository": here, "sender": sender,
        "pull_request": {
            "number": 7, "title": "<b>", "html_url": "https://x/pull/7", "state": "open", "merged": False,
            "user": sender,
            "head": {"ref": "main", "sha": head, "repo": there}, "base": {"ref": "main", "sha": head, "repo": here},
        },
    }  # fmt: skip
    now = station.app.clock.now()
    delivery = HookDelivery(
        id=ulid(now, os.urandom(10)), repository="anna/shop", key="1", event="pull_request",
        headers={"x-gitea-event": "pull_request"}, body=json.dumps(body).encode(), received=now,
    )  # fmt: skip
    station.app.intake.receive(delivery)
    station.dispatcher.decide(delivery)

    decision = station.app.intake.deliveries()[0].decision
    assert decision.startswith("run ")
    (item,) = station.items()
    assert item.request.event.trust is Trust.UNTRUSTED
    assert item.state is (WorkState.QUEUED if forks else WorkState.PARKED)
    if not forks:
        assert "waits for a person" in item.detail
        allow_run(station.app, item.id, by="berta")
        assert station.items(WorkState.QUEUED)[0].request.by == "berta"


def test_a_newer_push_supersedes_what_has_not_begun(station: Station) -> None:
    station.git.git("checkout", "-q", "-b", "topic/one")
    station.git.commit({"src/a": "a2\n"})
    station.push("topic/one")
    station.push("main")
    before = station.git.git("rev-parse", "HEAD")
    station.git.commit({"src/a": "b\n"})
    station.push("topic/one", before=before)

    items = sorted(station.items(*WorkState), key=lambda item: item.id)
    assert [item.request.event.branch for item in items] == ["topic/one", "main", "topic/one"], [
        item.decision for item in station.app.intake.deliveries()
    ]
    older, newer = items[0], items[2]
    assert (older.state, newer.state) == (WorkState.DONE, WorkState.QUEUED)
    assert older.detail.startswith("cancelled by a newer push")
    assert [item.request.event.branch for item in station.items(WorkState.QUEUED)] == ["main", "topic/one"]


@pytest.mark.parametrize(
    ("more", "branch", "first"),
    [
        pytest.param("", "main", WorkState.QUEUED, id="a protected branch runs every push"),
        pytest.param("concurrency: {group: x, policy: cancel_older}", "main", WorkState.DONE, id="unless asked"),
    ],
)
def test_pushes_of_a_protected_branch(
    serving: Ground, git_repo: Callable[..., Repository], more: str, branch: str, first: WorkState
) -> None:
    station = Station(serving, git_repo({**FILES, "pipeline.yml": PIPELINE.format(more=more)}))
    station.push(branch)
    before = station.git.git("rev-parse", "HEAD")
    station.git.commit({"src/a": "b\n"})
    station.push(branch, before=before)
    assert min(station.items(*WorkState), key=lambda item: item.id).state is first


def test_what_runs_is_superseded_only_where_the_file_asks(serving: Ground, git_repo: Callable[..., Repository]) -> None:
    for more, cancelled in (("", False), ("concurrency: {group: x, policy: cancel_older}", True)):
        station = Station(
            serving, git_repo({**FILES, "pipeline.yml": PIPELINE.format(more=more)}, name=f"r{cancelled}"),
            name=f"anna/{cancelled}",
        )  # fmt: skip
        from pipeline.model.work import Worker, WorkerState

        station.push()
        worker = Worker(
            name="w", host="h", version="1", labels=(), slots=1, state=WorkerState.READY,
            started=station.app.clock.now(), seen=station.app.clock.now(),
        )  # fmt: skip
        taken = station.app.queue.take(worker, seconds=60)
        assert taken is not None
        before = station.git.git("rev-parse", "HEAD")
        station.git.commit({"src/a": "b\n"})
        station.push(before=before)
        assert bool(station.app.queue.find(taken.id).cancel) is cancelled
        for item in station.items(WorkState.QUEUED):
            station.app.queue.cancel(item.id, by="the test")


def test_schedules_cost_no_git_until_the_branch_moves(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "git.trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))

    def asked() -> int:
        count = trace.read_text().count('"event":"start"') if trace.exists() else 0
        trace.unlink(missing_ok=True)
        return count

    clock = Times(datetime(2026, 11, 20, 12, tzinfo=UTC))
    station.app.clock = clock
    scheduler = Scheduler(station.app)
    scheduler.round()
    assert asked() > 0
    for _ in range(5):
        clock.time += timedelta(seconds=5)
        scheduler.round()
    assert asked() == 0

    hourly = FILES["pipeline.yml"].replace("0 3 * * *", "0 * * * *")
    station.git.commit({"pipeline.yml": hourly})
    station.push()
    asked()
    scheduler.round()
    assert asked() > 0, "the branch has moved"
    clock.time += timedelta(hours=1)
    scheduler.round()
    assert [item.kind for item in station.items(WorkState.QUEUED)].count(WorkKind.SCHEDULED) == 1


def test_schedules_run_once_and_make_up_for_the_latest(station: Station) -> None:
    app = station.app
    clock = Times(datetime(2026, 11, 20, 12, tzinfo=UTC))
    app.clock = clock
    first, second = Scheduler(app), Scheduler(app)
    first.round()
    assert station.items() == []

    clock.time += timedelta(hours=14)  # 02:00 UTC is 03:00 in Paris
    first.round()
    second.round()
    (item,) = station.items()
    assert (item.kind, item.request.event.kind) == (WorkKind.SCHEDULED, "schedule")
    assert (item.request.sha, item.request.event.branch) == ("main", "main")
    assert item.key.endswith("2026-11-21T02:00:00+00:00")

    clock.time += timedelta(days=4)
    second.round()
    first.round()
    assert [item.key[-25:] for item in station.items()] == ["2026-11-21T02:00:00+00:00", "2026-11-25T02:00:00+00:00"]


def test_a_scheduled_run_is_of_the_tip(station: Station, serving: Ground) -> None:
    station.app.clock = clock = Times(datetime.now(UTC) - timedelta(days=2))
    scheduler = Scheduler(station.app)
    scheduler.round()
    clock.time += timedelta(days=1, hours=1)
    scheduler.round()
    (item,) = station.items()
    tip = station.git.commit({"src/a": "newer\n"})
    serving.worker()
    assert serving.item(item.id).detail == "succeeded"
    run = serving.run(item.id)
    assert (run.event, run.commit, run.trust) == ("schedule", tip, Trust.PROTECTED)
