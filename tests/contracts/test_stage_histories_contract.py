"""Where stages of a branch last succeeded, against real databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_records_contract import plan, run

from pipeline.model.outcome import Outcome, succeeded
from pipeline.model.run import StageRun
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.trust import Trust
from pipeline.ports.records import Records, StageHistory

LEVELS = (Trust.BRANCH, Trust.PROTECTED)


def remember(records: Records, number: int, conclusions: dict[str, Conclusion | None], **more: object) -> None:
    """A run of branch main at the commit `c<number>` whose stages ended so; None for one that still runs."""
    made = run(number, commit=f"c{number}", **more)
    stages = tuple(
        StageRun(name=name, kind="run", state=StageState.DONE, outcome=Outcome(conclusion=conclusion, reason="x"))
        if conclusion
        else StageRun(name=name, kind="run", state=StageState.RUNNING)
        for name, conclusion in conclusions.items()
    )
    records.create_run(replace(made, stages=stages), plan(*conclusions))
    records.update_run(made.id, state=RunState.DONE, conclusion=Conclusion.SUCCEEDED, finished=made.created)


GOOD, BAD, SKIPPED = Conclusion.SUCCEEDED, Conclusion.FAILED, Conclusion.SKIPPED


def test_the_last_success_counts_and_skipped_stages_were_not_wanted(records: Records) -> None:
    remember(records, 1, {"unit": GOOD, "lint": GOOD, "slow": BAD, "late": SKIPPED, "open": None})
    remember(records, 2, {"unit": GOOD, "lint": BAD, "slow": BAD})
    remember(records, 3, {"unit": BAD, "lint": SKIPPED, "slow": Conclusion.WARNED})
    assert records.stage_histories("shop", "main", trust=LEVELS) == {
        "unit": StageHistory(commit="c2"),
        "lint": StageHistory(commit="c1"),
        "slow": StageHistory(commit=""),
    }


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"branch": "topic"}, id="another branch"),
        pytest.param({"repository": "other"}, id="another repository"),
        pytest.param({"dirty": True}, id="uncommitted changes"),
        pytest.param({"trust": Trust.UNTRUSTED, "proposal": "7"}, id="somebody's fork"),
    ],
)
def test_runs_that_do_not_count(records: Records, more: dict[str, object]) -> None:
    remember(records, 1, {"unit": GOOD})
    remember(records, 2, {"unit": GOOD, "new": GOOD}, **more)
    assert records.stage_histories("shop", "main", trust=LEVELS) == {"unit": StageHistory(commit="c1")}


def test_a_protected_run_believes_only_protected_ones(records: Records) -> None:
    remember(records, 1, {"unit": GOOD}, trust=Trust.PROTECTED)
    remember(records, 2, {"unit": GOOD}, trust=Trust.BRANCH)
    protected = records.stage_histories("shop", "main", trust=(Trust.PROTECTED,))
    assert protected == {"unit": StageHistory(commit="c1")}
    assert records.stage_histories("shop", "main", trust=LEVELS) == {"unit": StageHistory(commit="c2")}


def test_only_the_latest_runs_are_looked_at(records: Records) -> None:
    remember(records, 1, {"old": GOOD, "unit": GOOD})
    for number in range(2, 5):
        remember(records, number, {"unit": BAD})
    assert records.stage_histories("shop", "main", trust=LEVELS, runs=3) == {"unit": StageHistory(commit="")}
    assert records.stage_histories("shop", "nowhere", trust=LEVELS) == {}


def test_what_a_later_save_says_counts(records: Records) -> None:
    remember(records, 1, {"unit": None})
    assert records.stage_histories("shop", "main", trust=LEVELS) == {}
    done = StageRun(name="unit", kind="run", state=StageState.DONE, outcome=succeeded())
    records.save_stage(run(1).id, done)
    assert records.stage_histories("shop", "main", trust=LEVELS) == {"unit": StageHistory(commit="c1")}
