"""Writes runs and promotions until it is killed: `records_writer.py URL REPOSITORY COUNT`; prints each after commit."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import count, islice

from pipeline.model.plan import Plan
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.run import Run
from pipeline.model.source import Commit, Event, Source
from pipeline.model.status import PromotionState, RunState
from pipeline.records import SqlRecords

TIME = datetime(2026, 11, 23, tzinfo=UTC)
PLAN = Plan(
    name="shop",
    pipeline_digest="sha256:1",
    event=Event(kind="push"),
    source=Source(path="p", origin="o", commit=Commit(sha="4f1c0de", message="", author="", time=TIME)),
    variables={},
    stages=(),
    environments=(),
)
RELEASE = Release(
    repository="shop", commit="4f1c0de", images={}, pipeline_digest="", name="1", run="", dirty=False, created=TIME
)


def run(name: str, repository: str) -> Run:
    """A run of this id."""
    return Run(
        id=name,
        number=0,
        repository=repository,
        pipeline="shop",
        commit="4f1c0de",
        message="",
        author="",
        branch="main",
        tag="",
        event="push",
        actor="",
        dirty=False,
        plan_digest="",
        state=RunState.RUNNING,
        created=TIME,
    )


def promotion(name: str) -> Promotion:
    """A promotion of this id."""
    return Promotion(
        id=name,
        release=RELEASE.id,
        environment="dev",
        kind=PromotionKind.PROMOTE,
        state=PromotionState.DEPLOYED,
        requested_by="anna",
        reason="",
        created=TIME,
    )


def main(url: str, writer: str, times: int) -> None:
    """One line a commit: the run's number and the ledger's seq."""
    records = SqlRecords(url)
    records.save_release(RELEASE)
    for index in islice(count(), times or None):
        number = records.create_run(run(f"{writer}{index}", "shop"), PLAN)
        entry = records.save_promotion(promotion(f"{writer}{index}"), actor=writer, action="deployed", data={})
        print(number, entry.seq, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
