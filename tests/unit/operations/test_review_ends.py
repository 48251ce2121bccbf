"""Review environments go when their time is over, and nothing else does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from environment.repository import Repository
from ground import DEV, Ground, plan_of

from pipeline.delivery.board import review_end
from pipeline.delivery.lease import environment_lease
from pipeline.model.definition import EnvironmentDefinition, ReviewRule, ReviewSource
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState, RunState
from pipeline.operations.review_ends import (
    end_reviews,
    review_ends,
    review_ends_at,
    reviews,
    tidy_reviews,
    with_reviews_that_live,
)
from pipeline.ports.cancellation import Cancellation

REVIEW = replace(
    DEV,
    name="review-7",
    instance_of="review",
    review=ReviewRule(source=ReviewSource.PULL_REQUEST, lasting=3 * 86400.0),
)


def deploy(
    ground: Ground, environment: EnvironmentDefinition, *, ago: timedelta, name: str = "r", branch: str = "main"
) -> Promotion:
    """A run that deployed to the environment so long ago."""
    run = ground.begin(age=ago, branch=branch)
    ground.records.save_plan(run.id, replace(plan_of(()), environments=(environment,)))
    ground.records.update_run(run.id, state=RunState.DONE)
    time = ground.clock.now() - ago
    release = Release(
        repository="shop", commit=name, images={}, pipeline_digest="", name=name, run=run.id, dirty=False, created=time
    )
    ground.records.save_release(release)
    promotion = Promotion(
        id=run.id, release=release.id, environment=environment.name, kind=PromotionKind.PROMOTE,
        state=PromotionState.DEPLOYED, requested_by="anna", reason="", created=time, finished=time, run=run.id,
    )  # fmt: skip
    ground.records.save_promotion(promotion, actor="anna", action="promotion.deployed", data={})
    return promotion


@pytest.mark.parametrize(
    ("environment", "days", "over"),
    [
        pytest.param(REVIEW, 3.0, True, id="its-time-is-over"),
        pytest.param(REVIEW, 2.9, False, id="it-has-time-left"),
        pytest.param(DEV, 300.0, False, id="one-that-stays"),
        pytest.param(replace(REVIEW, instance_of=""), 300.0, False, id="the-written-one"),
    ],
)
def test_when_it_is_over(tmp_path: Path, environment: EnvironmentDefinition, days: float, over: bool) -> None:
    ground = Ground(home=tmp_path)
    promotion = deploy(ground, environment, ago=timedelta(days=days))
    assert [item.promotion for item in review_ends(ground)] == ([promotion] if over else [])


def test_a_new_deployment_begins_it_anew(tmp_path: Path) -> None:
    ground = Ground(home=tmp_path)
    deploy(ground, REVIEW, ago=timedelta(days=9))
    deploy(ground, REVIEW, ago=timedelta(days=1), name="s")
    assert review_ends(ground) == ()


def test_it_is_taken_away_once_with_a_line_in_the_ledger(tmp_path: Path) -> None:
    ground = Ground(home=tmp_path)
    promotion = deploy(ground, REVIEW, ago=timedelta(days=4))
    (ended,) = end_reviews(ground, review_ends(ground))
    assert (ended.promotion, ended.problem) == (promotion, "")
    last = ground.records.entries(newest=1)[-1]
    assert (last.actor, last.action, last.data["because"]) == (
        "gc", "removed", "its time is over: 3d after the last deployment",
    )  # fmt: skip
    assert review_ends(ground) == ()


def test_one_that_is_being_deployed_to_stays_and_nobody_is_waited_for(tmp_path: Path) -> None:
    ground = Ground(home=tmp_path)
    promotion = deploy(ground, REVIEW, ago=timedelta(days=4))
    lease = environment_lease(
        REVIEW.name, service=plan_of(()).name, who="run 7", home=tmp_path, records=lambda: ground.records,
        clock=ground.clock, installation=ground.settings.installation,
    )  # fmt: skip
    lease.take(progress=print, cancel=Cancellation())
    (busy,) = end_reviews(ground, review_ends(ground))
    assert "'review-7' is being deployed to by run 7" in busy.problem
    lease.release()
    (ended,) = end_reviews(ground, review_ends(ground))
    assert (ended.promotion, ended.problem) == (promotion, "")


def test_one_that_was_deployed_to_meanwhile_stays(tmp_path: Path) -> None:
    ground = Ground(home=tmp_path)
    deploy(ground, REVIEW, ago=timedelta(days=4))
    ends = review_ends(ground)
    newer = deploy(ground, REVIEW, ago=timedelta(0), name="s")
    (kept,) = end_reviews(ground, ends)
    assert f"promotion {newer.id} has been brought in meanwhile" in kept.problem
    assert ground.records.entries(newest=1)[-1].action == "promotion.deployed"


BRANCH = replace(REVIEW, name="review-login", review=ReviewRule(source=ReviewSource.BRANCH, lasting=3 * 86400.0))


@pytest.fixture
def clone(git_repo: Callable[..., Repository], tmp_path: Path) -> Path:
    """A clone of a repository with branches `main` and `login`."""
    origin = git_repo({"a": "1"}).path
    git(origin, "branch", "login")
    git(tmp_path, "clone", "--quiet", str(origin), "clone")
    return tmp_path / "clone"


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("environment", "then", "reasons"),
    [
        pytest.param(BRANCH, (), [], id="branch-there"),
        pytest.param(BRANCH, ("branch", "-D", "login"), ["branch login is gone"], id="branch-gone"),
        pytest.param(REVIEW, ("branch", "-D", "login"), [], id="of-a-pull-request"),
        pytest.param(BRANCH, None, [], id="server-gone"),
    ],
)
def test_it_ends_with_its_branch_as_the_server_says(
    tmp_path: Path, clone: Path, environment: EnvironmentDefinition, then: tuple[str, ...] | None, reasons: list[str]
) -> None:
    ground = Ground(home=tmp_path)
    promotion = deploy(ground, environment, ago=timedelta(days=1), branch="login")
    origin = tmp_path / "repository"
    if then is None:
        origin.rename(tmp_path / "elsewhere")
    elif then:
        git(origin, *then)
    assert [item.reason for item in review_ends_at(ground, "shop", clone)] == reasons
    assert review_ends_at(ground, "shop", clone, but=(environment.name,)) == ()
    said: list[str] = []
    tidy_reviews(ground, "shop", clone, progress=said.append)
    assert said == [f"took away {environment.name}: {reason}" for reason in reasons]
    assert [item.promotion for item in reviews(ground, "shop")] == ([] if reasons else [promotion])


def test_those_that_live_are_beside_the_written_one(tmp_path: Path) -> None:
    ground = Ground(home=tmp_path)
    deploy(ground, REVIEW, ago=timedelta(days=1))
    written = replace(REVIEW, name="review", instance_of="")
    seen = with_reviews_that_live(ground, "shop", (DEV, written))
    assert [item.name for item in seen] == ["dev", "review", "review-7"]
    assert [item.name for item in with_reviews_that_live(ground, "shop", (DEV,))] == ["dev"]
    assert review_end(seen[2], ground.records.promotions()[0]) == ground.clock.now() + timedelta(days=2)
