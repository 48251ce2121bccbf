"""What a retry repeats: a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.diagnostic import Position
from pipeline.errors import NotFoundError, UsageError
from pipeline.model.definition import Need, StageDefinition
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan, PlannedStage
from pipeline.model.run import StageRun
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import Conclusion, StageState
from pipeline.operations.keeping import outlived
from pipeline.planning.retry import Retry, retry_of
from pipeline.ports.executor import Leftover
from pipeline.settings import Settings

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SHOP = {
    "checkout": ((), "checkout"),
    "unit:3.11": (("checkout",), "test"),
    "unit:3.12": (("checkout",), "test"),
    "image": (("checkout",), "build"),
    "push": (("image", "unit:3.11", "unit:3.12"), "push"),
    "deploy": (("push",), "deploy"),
    "report": (("unit:3.11", "unit:3.12"), "run"),
    "checked": (("push",), "run"),
    "summary": (("emitted",), "run"),
    "emitted": ((), "run"),
}


def decide(*chosen: str, gone: str = "", **ends: str) -> Retry:
    """A retry of SHOP, whose stages succeeded but for `ends` (`_` for what a keyword cannot have)."""
    stages = tuple(
        PlannedStage(
            stage=StageDefinition(
                name=name,
                kind=kind,
                position=Position(file="pipeline.yml", line=1, column=1),
                needs=tuple(Need(stage=need) for need in needs),
                group="unit" if name.startswith("unit") else "",
            )
        )
        for name, (needs, kind) in SHOP.items()
    )
    plan = Plan(
        name="shop",
        pipeline_digest="",
        event=Event(kind="push"),
        source=Source(path="", origin="", commit=Commit(sha="4f1c0de", message="", author="", time=NOW)),
        variables={},
        stages=stages,
        environments=(),
    )
    runs = {
        name: StageRun(
            name=name,
            kind=kind,
            state=StageState.DONE,
            outcome=Outcome(conclusion=Conclusion(ends.get(name.replace(":3.", ""), "succeeded")), reason="why"),
        )
        for name, (_, kind) in SHOP.items()
    }
    return retry_of(
        plan,
        runs,
        chosen,
        effects=lambda kind: kind in ("push", "deploy"),
        gone=lambda stage, _: "its layer" if stage.name in gone.split() else "",
    )


@pytest.mark.parametrize(
    ("chosen", "gone", "ends", "again"),
    [
        pytest.param(
            (),
            "",
            {"unit11": "failed", "push": "blocked", "deploy": "blocked"},
            ["unit:3.11", "push", "deploy", "report", "checked"],
            id="what-failed-and-what-depends-on-it",
        ),
        pytest.param((), "", {"deploy": "failed"}, ["deploy"], id="the-push-that-succeeded-is-kept"),
        pytest.param((), "", {"image": "cancelled"}, ["image", "checked"], id="an-effect-behind-it-is-not-repeated"),
        pytest.param(
            (), "", {"unit12": "warned", "image": "errored"}, ["image", "checked"], id="what-only-warned-is-kept"
        ),
        pytest.param(
            ("unit",), "", {}, ["unit:3.11", "unit:3.12", "report", "checked"], id="a-name-means-all-its-cells"
        ),
        pytest.param(("unit:3.12",), "", {}, ["unit:3.12", "report", "checked"], id="one-cell"),
        pytest.param(
            (),
            "checkout",
            {"unit11": "failed"},
            ["checkout", "unit:3.11", "report", "checked"],
            id="its-producer-first",
        ),
        pytest.param(
            (),
            "image checkout push",
            {"deploy": "failed"},
            ["checkout", "image", "deploy"],
            id="producers-of-producers-but-no-effect",
        ),
        pytest.param(("image",), "", {}, ["image", "checked"], id="what-depends-on-it-through-an-effect-that-is-kept"),
        pytest.param(("emitted",), "", {}, ["summary", "emitted"], id="what-stands-before-it-in-the-plan"),
    ],
)
def test_what_runs_again(chosen: tuple[str, ...], gone: str, ends: dict[str, str], again: list[str]) -> None:
    decided = decide(*chosen, gone=gone, **ends)
    assert list(decided.again) == again
    assert [*decided.again, *decided.kept] == sorted([*SHOP], key=lambda name: (name not in again, [*SHOP].index(name)))


def test_every_stage_says_why() -> None:
    decided = decide(gone="checkout", unit11="failed", push="blocked")
    assert decided.again == {
        "checkout": "its layer is gone, and unit:3.11 needs it",
        "unit:3.11": "failed: why",
        "push": "blocked: why",
        "report": "needs unit:3.11",
        "checked": "needs push",
    }
    assert decided.remarks == {"checkout": "its layer is gone, and unit:3.11 needs it"}


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        pytest.param((), UsageError, "nothing to repeat", id="all-succeeded"),
        pytest.param(("deploy",), UsageError, "not done twice", id="an-effect-that-succeeded"),
        pytest.param(("lint",), NotFoundError, "no stage 'lint'", id="unknown"),
    ],
)
def test_what_cannot_be_repeated_is_said(chosen: tuple[str, ...], error: type[UsageError], message: str) -> None:
    with pytest.raises(error, match=message):
        decide(*chosen)


@pytest.mark.parametrize(
    ("ages", "most", "hours", "going"),
    [
        pytest.param([1, 2, 3], 3, 24, [], id="all-stay"),
        pytest.param([1, 2, 3, 4], 3, 24, ["run-4"], id="the-oldest-beyond-the-bound"),
        pytest.param([1, 25], 3, 24, ["run-25"], id="too-old"),
        pytest.param([1, 2], 0, 24, ["run-1", "run-2"], id="nothing-is-kept"),
    ],
)
def test_what_was_kept_goes_by_count_and_age(
    ages: list[int], most: int, hours: float, going: list[str], tmp_path: Path
) -> None:
    left = [
        Leftover(kind="container", name=f"c-{age}", run=f"run-{age}", kept=NOW - timedelta(hours=age)) for age in ages
    ]
    left.append(Leftover(kind="container", name="other", run="run-other"))
    settings = Settings(home=tmp_path, keep_failed_most=most, keep_failed_hours=hours)
    assert [item.run for item in outlived(left, settings, NOW)] == going
