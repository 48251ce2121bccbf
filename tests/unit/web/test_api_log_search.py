"""Searching logs by the API: what is found, and where it ends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from contracts.test_records_contract import GOOD_ATTEMPT, finished, plan, run
from fastapi.testclient import TestClient
from served import START, Served, serve

from pipeline.model.account import Role
from pipeline.model.repository import Repository

URL = "https://git.example.org/web.git"
PATH = "/api/v1/repositories/shop/web/log-search"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as made:
        made.person("vera", (Role.VIEWER, "shop/web", "*"))
        made.app.intake.save_repository(Repository(name="shop/web", url=URL, created=START))
        yield made


@pytest.fixture
def viewer(served: Served) -> TestClient:
    return served.client(token=served.token("vera"))


def logged(served: Served, number: int, *lines: bytes, repository: str = URL) -> None:
    """A run with one stage that printed these lines."""
    digest, _ = served.app.storage.put(io.BytesIO(b"".join(b"2026-11-23T23:00:00.000Z " + x + b"\n" for x in lines)))
    made = run(number, repository=repository)
    served.app.records.create_run(made, plan("unit"))
    served.app.records.save_stage(made.id, finished("unit", replace(GOOD_ATTEMPT, log=digest, service_logs={})))


def test_lines_are_found_in_a_repositorys_own_logs(served: Served, viewer: TestClient) -> None:
    logged(served, 1, b"hello", b"connection reset", b"\x1b[31mend\xff")
    logged(served, 2, b"connection reset again")
    logged(served, 3, b"connection reset elsewhere", repository="https://git.example.org/other.git")
    found = viewer.get(PATH, params={"pattern": "reset", "context": 1}).json()
    told = [(item["number"], item["line"], item["matched"], item["text"]) for item in found["lines"]]
    assert sorted(told) == [
        (1, 1, False, "hello"),
        (1, 2, True, "connection reset"),
        (1, 3, False, "end\ufffd"),
        (2, 1, True, "connection reset again"),
    ]
    assert (found["looked"], found["missing"]["logs"], found["whole"]) == (
        {"logs": 2, "runs": 2, "number": None}, 0, True,
    )  # fmt: skip
    one = viewer.get(PATH, params={"pattern": "reset", "run": "1"}).json()
    assert [item["number"] for item in one["lines"]] == [1]
    assert one["looked"] == {"logs": 1, "runs": 1, "number": 1}
    assert viewer.get(PATH, params={"pattern": "reset", "run": "3"}).status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param({"pattern": "("}, 422, id="no expression"),
        pytest.param({"pattern": "(?=x)"}, 422, id="one that could hang"),
        pytest.param({"pattern": ""}, 422, id="nothing"),
        pytest.param({"pattern": "x", "most": 5001}, 422, id="too many"),
        pytest.param({"pattern": "x", "runs": 1001}, 422, id="too many runs"),
        pytest.param({"pattern": "x", "run": "1", "stage": "uint"}, 404, id="no such stage"),
        pytest.param({"pattern": "(a*)*b", "run": "1"}, 200, id="one that hangs others"),
    ],
)
def test_what_is_asked_wrongly(served: Served, viewer: TestClient, query: dict[str, str], status: int) -> None:
    logged(served, 1, b"a" * 5000)
    assert viewer.get(PATH, params=query).status_code == status


def test_an_answer_does_not_grow_without_end(served: Served, viewer: TestClient) -> None:
    logged(served, 1, *(b"x" * 100_000 for _ in range(5)), *(b"x" * 2500 for _ in range(4995)))
    answer = viewer.get(PATH, params={"pattern": "x", "most": 5000})
    assert len(answer.content) < 12 * 1024**2
    assert answer.json()["whole"] is False
    assert {len(item["text"]) for item in answer.json()["lines"]} == {2001}


@dataclass
class Hurried:
    """A clock in which every look takes nine seconds."""

    passed: float = 0.0

    def now(self) -> datetime:
        return START

    def monotonic(self) -> float:
        self.passed += 9
        return self.passed


def test_no_log_is_begun_when_its_time_is_over(served: Served, viewer: TestClient) -> None:
    for number in range(1, 6):
        logged(served, number, b"hit %d" % number)
    served.app.clock = Hurried()
    found = viewer.get(PATH, params={"pattern": "hit"}).json()
    assert (len(found["lines"]), found["looked"]["logs"], found["whole"]) == (2, 5, False)
