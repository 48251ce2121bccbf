"""What no worker can ever take says so, and what waits for others by a limit says which."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.model.source import Event
from pipeline.model.work import Worker, WorkerState, WorkItem, WorkKind, WorkRequest
from pipeline.operations.serving.waiting import held_back, hopeless
from pipeline.settings import Settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        pytest.param([("ready", "gpu arm64 big")], "", id="one can"),
        pytest.param([("draining", "gpu arm64")], "", id="one that drains will be followed by another"),
        pytest.param([("ready", "gpu"), ("ready", "")], "no worker has the label 'arm64'", id="one is missing"),
        pytest.param(
            [("ready", "gpu"), ("ready", "arm64")], "no worker has all of the labels 'gpu', 'arm64'", id="all"
        ),
        pytest.param([("gone", "gpu arm64")], "no worker lives", id="nobody"),
        pytest.param([], "no worker lives", id="nobody ever"),
    ],
)
def test_what_is_said(workers: list[tuple[str, str]], said: str) -> None:
    request = WorkRequest(repository="anna/shop", sha="4f1c0de", event=Event(kind="push"))
    item = WorkItem(
        id="01jd", key="hook:1", kind=WorkKind.BUILD, request=request, created=NOON, labels=("gpu", "arm64")
    )
    living = [
        Worker(
            name=str(number), host="h", version="1", labels=tuple(labels.split()), slots=1, state=WorkerState(state),
            started=NOON, seen=NOON,
        )
        for number, (state, labels) in enumerate(workers)
    ]  # fmt: skip
    told = hopeless(item, living)
    assert told.startswith(said)
    assert bool(told) is bool(said)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"limit_builds": 3, "limit_repository": 2}, "", id="not reached"),
        pytest.param({"limit_builds": 2}, "limit_builds = 2 allows", id="of its kind"),
        pytest.param({"limit_scheduled": 1, "limit_deliveries": 1}, "", id="of another kind"),
        pytest.param({"limit_repository": 1}, "limit_repository = 1 allows", id="of its repository"),
    ],
)
def test_which_limit_holds_it_back(limits: dict[str, int], said: str) -> None:
    request = WorkRequest(repository="anna/shop", sha="4f1c0de", event=Event(kind="push"))
    item = WorkItem(id="01jd", key="hook:1", kind=WorkKind.BUILD, request=request, created=NOON)
    other = replace(item, request=replace(request, repository="berta/till"))
    told = held_back(item, [item, other], Settings(home=Path("/nowhere"), **limits))  # type: ignore[arg-type]
    assert told.endswith(said)
    assert bool(told) is bool(said)
