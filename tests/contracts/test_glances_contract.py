"""What the records promise to pages, against real databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contracts.test_history_contract import record
from contracts.test_records_contract import FAILED_ATTEMPT, GOOD_ATTEMPT, finished, run, ulid

from pipeline.errors import NotFoundError
from pipeline.model.outcome import failed
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.ports.records import Records


def test_the_newest_run_of_each_repository_and_of_its_default_branch(records: Records) -> None:
    record(records, 1, branch="main")
    record(records, 2, branch="topic")
    record(records, 3, repository="elsewhere", branch="main")
    assert [(item.repository, item.id) for item in records.newest_runs()] == [
        ("elsewhere", ulid(3)),
        ("shop", ulid(2)),
    ]
    on_default = records.newest_runs(on_default_branch=True)
    assert {item.repository: item.id for item in on_default} == {"elsewhere": ulid(3), "shop": ulid(1)}
    assert all(item.stages == () for item in on_default)


def test_a_glance_narrows_and_goes_back_in_time(records: Records) -> None:
    for number in range(1, 5):
        record(records, number, branch="main" if number % 2 else "topic", over=number != 4)
    assert [item.id for item in records.glance(repository="shop")] == [ulid(number) for number in (4, 3, 2, 1)]
    assert [item.id for item in records.glance(repository="shop", branch="topic")] == [ulid(4), ulid(2)]
    assert [item.id for item in records.glance(conclusions=(Conclusion.SUCCEEDED,), limit=2)] == [ulid(3), ulid(2)]
    assert [item.id for item in records.glance(before=run(3).created)] == [ulid(2), ulid(1)]
    assert not records.glance(state=RunState.PARKED)
    assert not records.glance(repository="elsewhere")


def test_wrong_stages_and_the_pulse_of_a_run(records: Records) -> None:
    good, bad = finished("unit", GOOD_ATTEMPT), replace(finished("scan", FAILED_ATTEMPT), outcome=failed("exit 1"))
    record(records, 1, good, bad, over=False)
    assert {key: list(names) for key, names in records.wrong_stages([ulid(1)]).items()} == {ulid(1): ["scan"]}
    pulse = records.pulse(ulid(1))
    assert pulse.conclusion is None
    assert [(item.name, item.state, item.conclusion, item.attempts) for item in pulse.stages] == [
        ("unit", StageState.DONE, Conclusion.SUCCEEDED, 1),
        ("scan", StageState.DONE, Conclusion.FAILED, 1),
    ]
    with pytest.raises(NotFoundError):
        records.pulse(ulid(9))
