"""From a run that moves to a forge that knows: derived from the database, so that no death of a process loses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest
from forges_played import TOKEN, URLS, Heard, NoError, played

from pipeline.bootstrap import Application
from pipeline.model.outcome import failed
from pipeline.model.plan import Plan
from pipeline.model.report import TestCase, TestReport, TestStatus
from pipeline.model.repository import ForgeKind, Repository
from pipeline.model.run import Attempt, Products, Run, StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.work import Worker, WorkerState, WorkItem, WorkKind, WorkRequest, WorkState
from pipeline.operations.registering import set_token
from pipeline.operations.serving.asking import new_item
from pipeline.operations.serving.telling import TRIES, Telling

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def heard() -> Iterator[Heard]:
    with played(ForgeKind.GITHUB) as forge:
        yield forge


@pytest.fixture
def application(database_url: str, tmp_path: Path, heard: Heard) -> Application:
    """With one repository of the played forge, whose token is set."""
    made = Application({"ECLUSE_HOME": str(tmp_path / "home"), "ECLUSE_DATABASE": database_url})
    made.clock = Clock()
    made.intake.save_repository(
        Repository(name="team/app", url=URLS[ForgeKind.GITHUB], forge=ForgeKind.GITHUB, api=heard.address, created=NOW)
    )
    set_token(made, "team/app", TOKEN.encode(), by="ada")
    return made


def clock_of(app: Application) -> Clock:
    assert isinstance(app.clock, Clock)
    return app.clock


def asked(app: Application, number: int = 1, *, proposal: str = "") -> WorkItem:
    event = Event(kind="pull_request" if proposal else "push", branch="main", proposal=proposal)
    request = WorkRequest(repository="team/app", sha=f"{number:040x}", event=event)
    item = replace(new_item(app, f"hook:{number}", WorkKind.BUILD, request), key=f"hook:{number}")
    app.queue.put(item)
    return item


def taken(app: Application) -> WorkItem:
    worker = Worker(name="w", host="h", version="1", labels=(), slots=1, state=WorkerState.READY, started=NOW, seen=NOW)
    item = app.queue.take(worker, seconds=3600)
    assert item is not None
    return item


def ran(app: Application, item: WorkItem, conclusion: Conclusion, *stages: StageRun) -> Run:
    """The run of an item, recorded up to its end."""
    commit = Commit(sha=item.request.sha, message="m", author="a", time=NOW)
    plan = Plan(
        name="shop",
        pipeline_digest="sha256:" + "1" * 64,
        event=item.request.event,
        source=Source(path="/x", origin="o", commit=commit),
        variables={},
        stages=(),
        environments=(),
    )
    run = Run(
        id=item.id,
        number=0,
        repository=URLS[ForgeKind.GITHUB],
        pipeline="shop",
        commit=item.request.sha,
        message="m",
        author="a",
        branch="main",
        tag="",
        event=item.request.event.kind,
        actor="ada",
        dirty=False,
        plan_digest=plan.digest,
        state=RunState.RUNNING,
        created=NOW,
    )
    app.records.create_run(run, plan)
    for stage in stages:
        app.records.save_stage(run.id, stage)
    app.records.update_run(run.id, state=RunState.DONE, conclusion=conclusion, finished=NOW + timedelta(seconds=61))
    return app.records.find_run(run.id)


def states(heard: Heard) -> list[tuple[str, str]]:
    return [(item["state"], item["description"]) for item in heard.statuses]


def test_a_run_is_told_from_its_place_in_the_queue_to_its_end(application: Application, heard: Heard) -> None:
    telling = Telling(application)
    asked(application)
    telling.round()
    item = taken(application)
    telling.round()
    telling.round()
    run = ran(application, item, Conclusion.SUCCEEDED)
    application.queue.finish(item, state=WorkState.DONE, detail="succeeded")
    telling.round()
    telling.round()
    assert states(heard) == [("pending", "waits for a worker"), ("pending", "runs"), ("success", "succeeded")]
    assert heard.statuses[-1]["url"] == f"http://127.0.0.1:8380/r/team/app/runs/{run.number}"
    assert heard.statuses[-1]["name"] == "ecluse/push"


def test_what_was_not_sent_is_overtaken_by_what_is_newer(application: Application, heard: Heard) -> None:
    telling = Telling(application)
    asked(application)
    telling.post_news()
    item = taken(application)
    telling.post_news()
    application.queue.finish(item, state=WorkState.DONE, detail="not started: no trigger wants it")
    telling.round()
    assert states(heard) == [("success", "not started: no trigger wants it")]


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        pytest.param("pipeline.yml:3:1: unknown key", ("error", "pipeline.yml:3:1: unknown key"), id="broken-file"),
        pytest.param("a\x1b[31mb\nc", ("error", "a [31mb c"), id="hostile"),
    ],
)
def test_an_item_that_made_no_run_ends_too(
    application: Application, heard: Heard, detail: str, told: tuple[str, str]
) -> None:
    asked(application)
    application.queue.finish(taken(application), state=WorkState.DONE, detail=detail)
    Telling(application).round()
    assert states(heard) == [told]


def test_a_pull_request_gets_one_comment_with_its_failures_first(application: Application, heard: Heard) -> None:
    case = TestCase(
        suite="s",
        classname="",
        name="<img src=x> @ada [x](https://evil.example)",
        status=TestStatus.FAILED,
        message="expected `1`\nat length",
    )
    stage = StageRun(
        name="test",
        kind="run",
        state=StageState.DONE,
        outcome=failed("3 of 9 | failed\n# not a head"),
        attempts=(Attempt(number=1, started=NOW, products=Products(tests=TestReport(cases=(case,)))),),
    )
    telling = Telling(application)
    for number in (1, 2):
        asked(application, number, proposal="7")
        item = taken(application)
        ran(application, item, Conclusion.FAILED, stage)
        application.queue.finish(item, state=WorkState.DONE, detail="failed")
        telling.round()
    assert states(heard) == [("failure", "failed: test")] * 2
    (comment,) = heard.comments
    assert comment["proposal"] == "7"
    text = comment["text"]
    assert f"commit `{2:012x}`"[:10] in text
    assert text.index("1 test failed") < text.index("| stage |")
    assert "<img" not in text
    assert "@ada" not in text
    assert "](https://evil" not in text
    assert "https://evil" not in text
    assert "\n# not" not in text
    assert "3 of 9 &#124; failed &#35; not a head" in text


def test_a_forge_that_is_busy_is_tried_when_it_says(application: Application, heard: Heard) -> None:
    heard.answers.append(NoError(429, "later", {"Retry-After": "300"}))
    telling = Telling(application)
    asked(application)
    telling.round()
    (waiting,) = application.outbox.messages()
    assert (waiting.tries, waiting.due, waiting.sent) == (1, NOW + timedelta(seconds=300), None)
    assert "status 429 ('later')" in waiting.error
    clock_of(application).move(299)
    telling.round()
    assert not heard.statuses
    clock_of(application).move(1)
    telling.round()
    assert len(heard.statuses) == 1


def test_a_forge_that_stays_away_is_given_up_with_the_reason(application: Application, heard: Heard) -> None:
    heard.answers += [NoError(500, "oh") for _ in range(100)]
    noted: list[str] = []
    telling = Telling(application, note=noted.append)
    asked(application)
    for _ in range(TRIES + 5):
        telling.round()
        clock_of(application).move(2000)
    (lost,) = application.outbox.messages()
    assert lost.tries == TRIES
    assert lost.given_up is not None
    assert "status 500" in lost.error
    assert len(noted) == 1
    assert len(heard.asked) == TRIES


def test_what_is_refused_is_given_up_at_once(application: Application, heard: Heard) -> None:
    heard.answers.append(NoError(404, "Not Found"))
    asked(application)
    Telling(application).round()
    (lost,) = application.outbox.messages()
    assert (lost.tries, lost.given_up) == (1, NOW)
    assert "check the repository's address" in lost.error


def test_one_server_sends_at_a_time(application: Application, heard: Heard) -> None:
    asked(application)
    first, second = Telling(application), Telling(application)
    first.round()
    item = taken(application)
    application.queue.finish(item, state=WorkState.DONE, detail="not started: x")
    second.round()
    assert len(heard.statuses) == 1
    first.round()
    assert len(heard.statuses) == 2


def test_nobody_is_told_without_a_token(application: Application, heard: Heard) -> None:
    application.vault.remove("forge:team/app", "token")
    asked(application)
    Telling(application).round()
    assert not application.outbox.messages()
    assert not application.outbox.untold()
    assert not heard.asked


SENDER = """
from pipeline.bootstrap import Application
from pipeline.operations.serving.telling import Telling
sender = Telling(Application(), lease=1.0)
while True:
    sender.round()
"""


def test_no_death_of_the_sender_loses_a_status(application: Application, heard: Heard, tmp_path: Path) -> None:
    """kill -9 while runs move; each forge's last word about each commit is its end."""
    application.clock = Application({}).clock
    known = {**os.environ, **application.environment}
    count, process = 12, None
    try:
        for number in range(1, count + 1):
            if number % 4 == 1:
                if process is not None:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                process = subprocess.Popen([sys.executable, "-c", SENDER], env=known)
            asked(application, number)
            item = taken(application)
            if number % 2:
                _until(lambda number=number: f"{number:040x}" in _last(heard))
            application.queue.finish(item, state=WorkState.DONE, detail="not started: nothing to do")
        _until(lambda: list(_last(heard).values()).count("success") == count)
    finally:
        if process is not None:
            process.kill()
            process.wait()
    assert not [item for item in application.outbox.messages(limit=1000) if item.given_up]


def _last(heard: Heard) -> dict[str, str]:
    with heard.lock:
        return {item["sha"]: item["state"] for item in heard.statuses}


def _until(holds: Callable[[], bool], seconds: float = 120) -> None:
    end = monotonic() + seconds
    while not holds():
        assert monotonic() < end, "it did not come"
        sleep(0.02)
