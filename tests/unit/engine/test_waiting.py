"""What a run does while something waits: for a person, for a group, for other cells; and what it must not do."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_run import Play, Watcher, stage

from pipeline.engine.retrying import retry_pause
from pipeline.errors import ParkedError
from pipeline.executors.scripted import Scripted
from pipeline.model.container import Stream
from pipeline.model.definition import ConcurrencyPolicy, ConcurrencyRule, MatrixRule, RetryRule, RunRule, When
from pipeline.model.outcome import Effect, failed
from pipeline.model.source import Event
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.model.trust import Trust
from pipeline.ports.cancellation import Cancellation
from pipeline.storage.groups import FileGroups
from stages.run import KIND as RUN

MANUAL = When(manual=True)
FORK = Event(kind="pull_request", branch="main", trust=Trust.UNTRUSTED, proposal="7")
GROUP = ConcurrencyRule(group="dev")


def test_a_manual_stage_parks_and_the_others_finish(play: Play) -> None:
    played = play(stage("a"), stage("b", "a", when=MANUAL), stage("c", "b"), stage("d"))
    assert played.conclusion is None
    assert played.executor.starts == ("a", "d") or played.executor.starts == ("d", "a")
    waiting = played.runs.get("b")
    assert (waiting.state, waiting.parked, waiting.started) == (
        StageState.WAITING,
        "a person has to start it",
        None,
    )
    assert played.runs.get("c").outcome is None


def test_a_kind_parks_its_stage_and_leaves_no_attempt(play: Play) -> None:
    missing = "2 approvals are missing"
    played = play(stage("a"), stage("b", "a"), script={"a": [Scripted(error=ParkedError(missing))]})
    waiting = played.runs.get("a")
    assert (played.conclusion, waiting.parked, waiting.attempts) == (None, missing, ())


def test_a_manual_stage_that_was_started_runs(play: Play) -> None:
    played = play(stage("a", when=MANUAL), stage("b", "a"), started=frozenset({"a"}))
    assert played.conclusion is Conclusion.SUCCEEDED


def test_a_manual_stage_behind_a_failure_is_blocked_and_asks_nobody(play: Play) -> None:
    played = play(stage("a"), stage("b", "a", when=MANUAL), script={"a": [Scripted(code=1)]})
    assert played.conclusion is Conclusion.FAILED
    assert played.outcome("b") == ("blocked", "needs a: failed")


def test_fail_fast_ends_what_is_parked(play: Play) -> None:
    played = play(
        stage("a", when=MANUAL),
        stage("b"),
        stage("tell", "a", when=When(run=RunRule.ALWAYS)),
        script={"b": [Scripted(code=1)]},
        fail_fast=True,
    )
    assert played.outcome("a") == ("cancelled", "fail_fast: b failed")
    assert played.outcome("tell") == ("succeeded", "exit 0")
    assert played.conclusion is Conclusion.FAILED


def test_a_run_that_is_cancelled_before_it_begins_starts_nothing(play: Play) -> None:
    cancel = Cancellation()
    cancel.cancel("interrupted")
    played = play(stage("a"), stage("b", "a", when=MANUAL), cancel=cancel)
    assert [played.outcome(name) for name in "ab"] == [("cancelled", "interrupted")] * 2
    assert (played.conclusion, played.executor.starts) == (Conclusion.CANCELLED, ())


def test_a_failed_cell_stops_the_other_cells_and_nothing_else(play: Play) -> None:
    cells = MatrixRule(axes={"n": ("1", "2", "3")}, fail_fast=True)

    def cell(number: int, **more: object) -> object:
        return stage(f"unit:{number}", group="unit", cell={"n": str(number)}, matrix=cells, **more)

    played = play(
        cell(1),
        cell(2),
        cell(3, needs=()),
        stage("other"),
        script={
            "unit:1": [Scripted(code=1, waits_for_starts=frozenset({"unit:2"}))],
            "unit:2": [Scripted(waits_for_cancel=True)],
            "other": [Scripted(waits_for_ends=frozenset({"unit:2"}))],
        },
        parallel=3,
    )
    reason = ("cancelled", "fail_fast: unit:1 failed")
    assert [played.outcome(f"unit:{number}") for number in (1, 2)] == [("failed", "exit 1"), reason]
    assert played.outcome("other") == ("succeeded", "exit 0")
    assert played.conclusion is Conclusion.FAILED


def test_stages_of_a_group_run_one_at_a_time_and_hold_no_worker_meanwhile(play: Play) -> None:
    names = [f"s{number}" for number in range(5)]
    played = play(*(stage(name, concurrency=GROUP) for name in names), stage("free"), parallel=2)
    assert played.conclusion is Conclusion.SUCCEEDED
    inside: list[str] = []
    for what, name in played.executor.journal:
        if name == "free":
            continue
        if what == "start":
            assert not inside
            inside.append(name)
        else:
            inside.remove(name)


def test_a_run_waits_for_whoever_is_in_its_group_and_is_told_of_it(play: Play, tmp_path: Path) -> None:
    other = FileGroups(tmp_path / "groups").enter(
        GROUP, repository="/nowhere", holder="run 7", waiting=lambda _: None, cancel=Cancellation()
    )
    watcher = Watcher()
    moves = watcher.run_moves

    class Leaving(Watcher):
        def run_moved(self, run: str, state: RunState, why: str) -> None:
            moves.append((state, why))
            other.leave()

    played = play(stage("a"), concurrency=GROUP, watcher=Leaving())
    assert played.conclusion is Conclusion.SUCCEEDED
    assert moves == [(RunState.QUEUED, "waits for group 'dev': run 7 is in it"), (RunState.RUNNING, "")]


def test_a_forks_run_cannot_supersede_a_run_of_the_house(play: Play, tmp_path: Path) -> None:
    house = Cancellation()
    place = FileGroups(tmp_path / "groups").enter(
        GROUP, repository="/nowhere", holder="run 7", waiting=lambda _: None, cancel=house
    )
    rule = ConcurrencyRule(group="dev", policy=ConcurrencyPolicy.CANCEL_OLDER)
    played = play(stage("a", concurrency=rule), concurrency=rule, event=FORK)
    place.leave()
    assert (played.conclusion, house.cancelled) == (Conclusion.SUCCEEDED, False)


def test_a_run_that_gives_way_starts_nothing(play: Play, tmp_path: Path) -> None:
    other = FileGroups(tmp_path / "groups").enter(
        GROUP, repository="/nowhere", holder="run 7", waiting=lambda _: None, cancel=Cancellation()
    )
    rule = ConcurrencyRule(group="dev", policy=ConcurrencyPolicy.CANCEL_NEWER)
    played = play(stage("a"), concurrency=rule)
    other.leave()
    assert played.outcome("a") == ("cancelled", "group 'dev' is taken by run 7")
    assert (played.conclusion, played.executor.starts) == (Conclusion.CANCELLED, ())


def test_a_stage_that_is_superseded_is_cancelled_and_the_run_goes_on(play: Play, tmp_path: Path) -> None:
    rule = ConcurrencyRule(group="dev", policy=ConcurrencyPolicy.CANCEL_OLDER)
    groups = FileGroups(tmp_path / "groups")
    newer: list[object] = []

    def superseded(_stage: str, _text: bytes) -> None:
        if newer:
            return
        newer.append(None)
        import threading

        def enter() -> None:
            place = groups.enter(
                rule,
                repository="/nowhere\0stages",
                holder="run 8, stage a",
                waiting=lambda _: None,
                cancel=Cancellation(),
            )
            place.leave()

        threading.Thread(target=enter, daemon=True).start()

    script = {"a": [Scripted(output=[(Stream.OUT, b"in\n")], waits_for_cancel=True)]}
    played = play(stage("a", concurrency=rule), stage("b"), script=script, watcher=Watcher(on_output=superseded))
    assert played.outcome("a") == ("cancelled", "superseded by run 8, stage a")
    assert played.outcome("b") == ("succeeded", "exit 0")
    assert played.conclusion is Conclusion.CANCELLED


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param({"secrets": ("TOKEN",)}, "the secret 'TOKEN' is not for an untrusted run", id="secret"),
        pytest.param({"emits": "s.yml"}, "it emits stages, and this run is untrusted", id="emits"),
        pytest.param(
            {"devices": ("/dev/kvm",)}, "it asks for rights on the machine, and this run is untrusted", id="device"
        ),
    ],
)
def test_what_an_untrusted_run_asks_for_is_refused_and_never_tried_again(
    play: Play, more: dict[str, object], reason: str
) -> None:
    rule = RetryRule(max=3, on=("failed", "errored"), backoff=0.001)
    played = play(stage("a", retry=rule, **more), event=FORK, secrets={"TOKEN": "a-s3cret"})
    assert played.outcome("a") == ("failed", reason)
    outcome = played.runs.get("a").outcome
    assert outcome is not None
    assert outcome.effect is Effect.REFUSED
    assert len(played.runs.get("a").attempts) == 1
    assert played.executor.starts == ()


def test_what_was_refused_is_not_tried_again() -> None:
    assert (
        retry_pause(RetryRule(max=1, on=("failed",)), failed("no", effect=Effect.REFUSED), number=1, kind=RUN) is None
    )
