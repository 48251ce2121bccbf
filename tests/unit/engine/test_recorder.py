"""The recorder: what is committed before something may go, or before something is done."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from scripted_run import plan_of, stage

from pipeline.engine.recorder import Recorder
from pipeline.errors import RecordsError
from pipeline.model.outcome import succeeded
from pipeline.model.plan import Plan
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
PLAN = plan_of((stage("a"), stage("push", kind="push")))


class Book:
    """Records as a list of what was written, in order; it can be held up or broken."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.broken = False

    def create_run(self, run: Run, plan: Plan) -> int:
        self._write("run")
        return 41

    def save_stage(self, run: str, stage: StageRun, *, durable: bool = False) -> None:
        self._write(f"{stage.name} {stage.state.value}{' durable' if durable else ''}")

    def save_plan(self, run: str, plan: Plan, *, stages: tuple[StageRun, ...] = ()) -> None:
        self._write(f"plan with {', '.join(f'{item.name} {item.state.value}' for item in stages)}")

    def update_run(self, run: str, **_: object) -> None:
        self._write("end")

    def _write(self, line: str) -> None:
        self.open.wait(20)
        if self.broken:
            raise RecordsError("the disk is full")
        self.lines.append(line)


def recorder(book: Book, released: list[str] | None = None) -> Recorder:
    return Recorder(
        lambda: book,  # type: ignore[arg-type,return-value]  # a book has what a recorder needs
        numbered=lambda _: None,
        broken=lambda _: None,
        released=(released if released is not None else []).append,
        effects=lambda kind: kind == "push",
    )


def run() -> Run:
    return Run(
        id="01run", number=0, repository="shop", pipeline="shop", commit="", message="", author="", branch="", tag="",
        event="push", actor="", dirty=False, plan_digest="", state=RunState.RUNNING, created=NOW,
    )  # fmt: skip


def stage_run(name: str, state: StageState = StageState.DONE, kind: str = "run") -> StageRun:
    ended = state is StageState.DONE
    attempt = Attempt(number=1, started=NOW, finished=NOW if ended else None, outcome=succeeded() if ended else None)
    return StageRun(name=name, kind=kind, state=state, outcome=attempt.outcome, attempts=(attempt,))


def test_containers_are_released_once_the_end_is_committed_and_not_before() -> None:
    book, released = Book(), list[str]()
    book.open.clear()
    mine = recorder(book, released)
    mine.run_started(run(), PLAN)
    mine.stage_finished("01run", stage_run("a"), succeeded())
    assert released == []
    book.open.set()
    mine.settle()
    assert (book.lines, released) == (["run", "a done"], ["a"])
    mine.close()


def test_nothing_is_released_that_could_not_be_recorded() -> None:
    book, released = Book(), list[str]()
    book.broken = True
    mine = recorder(book, released)
    mine.run_started(run(), PLAN)
    mine.stage_finished("01run", stage_run("a"), succeeded())
    mine.settle()
    assert released == []
    with pytest.raises(RecordsError, match="the disk is full"):
        mine.begun("01run", stage_run("push", StageState.PREPARING, "push"))
    with pytest.raises(RecordsError, match="the disk is full"):
        mine.close()


def test_a_stage_with_outside_effects_is_on_the_disk_when_it_begins_and_when_it_ends() -> None:
    book = Book()
    mine = recorder(book)
    mine.run_started(run(), PLAN)
    mine.begun("01run", stage_run("push", StageState.PREPARING, "push"))
    assert book.lines == ["run", "push preparing durable"]
    mine.stage_finished("01run", stage_run("push", kind="push"), succeeded())
    mine.close()
    assert book.lines[-1] == "push done durable"


def test_what_was_emitted_is_stored_together_with_the_end_of_its_emitter() -> None:
    book, released = Book(), list[str]()
    mine = recorder(book, released)
    mine.run_started(run(), PLAN)
    mine.plan_extended("01run", PLAN, (StageRun(name="x", kind="run"), StageRun(name="y", kind="run")))
    mine.settle()
    assert book.lines == ["run"], "the plan alone would make it emit twice after a kill"
    mine.stage_finished("01run", StageRun(name="y", kind="run", state=StageState.DONE), succeeded())
    mine.stage_finished("01run", stage_run("a"), succeeded())
    mine.settle()
    assert book.lines == ["run", "plan with x waiting, y done, a done"]
    assert released == ["a"]
    mine.close()


def test_a_run_that_is_taken_up_is_not_created_again() -> None:
    book = Book()
    mine = Recorder(lambda: book, numbered=lambda _: None, broken=lambda _: None, known=7)  # type: ignore[arg-type,return-value]
    mine.run_started(run(), PLAN)
    assert mine.number() == 7
    mine.close()
    assert book.lines == []
