"""Logs from storage and from files that grow: whole, in order, and no waiting for what will not come."""

from __future__ import annotations

import io
import queue
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ground import NOW, Ground, gone, running

from pipeline.errors import NotFoundError
from pipeline.model.identity import safe_name
from pipeline.model.outcome import failed, succeeded
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import Conclusion, RunState, StageState
from pipeline.operations.log_parts import Part
from pipeline.operations.logs import (
    LogBlock,
    cells_of,
    check_attempt,
    follow_logs,
    read_logs,
    read_parts,
    stages_of,
)

STAMP = b"2026-11-23T23:00:00.000Z "


def ended(ground: Ground, number: int, text: bytes) -> Attempt:
    """An attempt that is over, its log in the storage."""
    digest, _ = ground.storage.put(io.BytesIO(text))
    return Attempt(number=number, started=NOW, finished=NOW, outcome=failed("exit 1"), log=digest)


def growing(ground: Ground, run: Run, name: str) -> Path:
    """Where the log of an attempt that runs is written."""
    folder = ground.home / "runs" / run.id
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def joined(blocks: list[LogBlock]) -> list[tuple[str, int, bytes]]:
    """Blocks of one attempt as one."""
    found: list[tuple[str, int, bytes]] = []
    for block in blocks:
        if found and found[-1][:2] == (block.stage, block.attempt):
            found[-1] = (block.stage, block.attempt, found[-1][2] + block.lines)
        else:
            found.append((block.stage, block.attempt, block.lines))
    return found


def test_all_attempts_that_are_over_and_the_one_that_runs(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    stage = running("unit", ended(ground, 1, STAMP + b"first\n"))
    run = ground.begin(stages=(stage,))
    growing(ground, run, "unit.2.log").write_bytes(STAMP + b"second\n" + STAMP + b"half a li")
    blocks = list(read_logs(ground.storage, tmp_path, run, (stage,)))
    assert joined(blocks) == [("unit", 1, STAMP + b"first\n"), ("unit", 2, STAMP + b"second\n")]


def test_only_the_attempt_that_was_asked_for(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    stage = running("unit", ended(ground, 1, b"first\n"), ended(ground, 2, b"second\n"))
    run = ground.begin(stages=(stage,))
    assert joined(list(read_logs(ground.storage, tmp_path, run, (stage,), 2))) == [("unit", 2, b"second\n")]


def test_a_big_log_comes_in_blocks_of_whole_lines(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    text = b"".join(b"line %d\n" % number for number in range(100_000))
    stage = running("unit", ended(ground, 1, text))
    run = ground.begin(stages=(stage,))
    blocks = list(read_logs(ground.storage, tmp_path, run, (stage,)))
    assert len(blocks) > 1
    assert all(block.lines.endswith(b"\n") for block in blocks)
    assert joined(blocks)[0][2] == text


def test_a_lost_blob_is_said(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    attempt = replace(ended(ground, 1, b"text\n"), log="sha256:" + "0" * 64)
    run = ground.begin(stages=(running("unit", attempt),))
    with pytest.raises(NotFoundError):
        list(read_logs(ground.storage, tmp_path, run, run.stages))


def test_an_unknown_stage_names_those_that_exist(tmp_path: Path) -> None:
    run = Ground(tmp_path).begin(stages=(StageRun(name="unit", kind="run"), StageRun(name="lint", kind="run")))
    with pytest.raises(NotFoundError, match="run 1 has no stage 'uint'") as raised:
        stages_of(run, "uint")
    assert raised.value.hint == "its stages: unit, lint"


class Following:
    """Follows in a thread; what came can be awaited."""

    def __init__(self, ground: Ground, run: Run, names: list[str]) -> None:
        self._came: queue.Queue[LogBlock | None] = queue.Queue()
        self._ground, self._run, self._names = ground, run, names
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def next(self) -> LogBlock | None:
        """The next block, or None at the end."""
        return self._came.get(timeout=20)

    def _follow(self) -> None:
        ground = self._ground
        try:
            for block in follow_logs(ground.records, ground.storage, ground.home, self._run, self._names):
                self._came.put(block)
        finally:
            self._came.put(None)


def test_following_goes_from_attempt_to_attempt_until_the_stage_is_done(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    run = ground.begin(stages=(running("unit"), running("other")))
    first = growing(ground, run, "unit.1.log")
    following = Following(ground, run, ["unit"])
    with first.open("wb", buffering=0) as log:
        log.write(b"one\ntw")
        assert following.next() == LogBlock(stage="unit", attempt=1, lines=b"one\n")
        log.write(b"o\n")
        assert following.next() == LogBlock(stage="unit", attempt=1, lines=b"two\n")
    attempt = ended(ground, 1, b"one\ntwo\n")
    first.unlink()
    ground.records.save_stage(run.id, running("unit", attempt))
    second = growing(ground, run, "unit.2.log")
    second.write_bytes(b"again\n")
    assert following.next() == LogBlock(stage="unit", attempt=2, lines=b"again\n")
    last = replace(ended(ground, 2, b"again\n"), outcome=succeeded())
    done = replace(running("unit", attempt, last), state=StageState.DONE, outcome=succeeded(), finished=NOW)
    second.unlink()
    ground.records.save_stage(run.id, done)
    assert following.next() is None


def test_following_a_run_that_is_over_prints_it_and_ends(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    stage = replace(
        running("unit", ended(ground, 1, b"text\n")), state=StageState.DONE, outcome=failed("exit 1"), finished=NOW
    )
    run = ground.begin(stages=(stage,))
    ground.records.save_stage(run.id, stage)
    ground.records.update_run(run.id, state=RunState.DONE, conclusion=Conclusion.FAILED, finished=NOW)
    following = Following(ground, ground.records.find_run(run.id), ["unit"])
    assert following.next() == LogBlock(stage="unit", attempt=1, lines=b"text\n")
    assert following.next() is None


def test_following_ends_when_the_process_has_gone(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    run = ground.begin(runner=gone(), stages=(running("unit"),))
    growing(ground, run, "unit.1.log").write_bytes(b"last words\n")
    following = Following(ground, run, ["unit"])
    assert following.next() == LogBlock(stage="unit", attempt=1, lines=b"last words\n")
    assert following.next() is None


def parts(ground: Ground, run: Run, part: Part, **more: Any) -> list[tuple[str, int, bytes]]:
    return joined(list(read_parts(ground.storage, ground.home, run, run.stages, part, **more)))


def test_a_part_is_of_the_last_attempt_unless_another_is_named(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    tried = (ended(ground, 1, b"a\nb\nc\n"), ended(ground, 2, b"d\ne\nf\n"))
    run = ground.begin(stages=(running("unit", *tried), running("lint", ended(ground, 1, b"x\n"))))
    assert parts(ground, run, Part(tail=2)) == [("unit", 2, b"e\nf\n"), ("lint", 1, b"x\n")]
    assert parts(ground, run, Part(first=2, last=2), attempt=1) == [("unit", 1, b"b\n")]


def test_a_part_of_what_is_still_written(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    run = ground.begin(stages=(running("unit:3.12", Attempt(number=1, started=NOW)),))
    growing(ground, run, f"{safe_name('unit:3.12')}.1.log").write_bytes(b"a\nb\nc\n")
    growing(ground, run, f"{safe_name('unit:3.12')}.1.db.log").write_bytes(b"ready\n")
    assert parts(ground, run, Part(tail=1)) == [("unit:3.12", 1, b"c\n")]
    assert parts(ground, run, Part(), service="db") == [("unit:3.12", 1, b"ready\n")]


def test_logs_of_services_by_their_name(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    digest, _ = ground.storage.put(io.BytesIO(b"ready\n"))
    served = replace(ended(ground, 1, b"text\n"), service_logs={"db": digest})
    run = ground.begin(stages=(running("unit", served), running("lint", ended(ground, 1, b"x\n"))))
    assert parts(ground, run, Part(), service="db") == [("unit", 1, b"ready\n")]
    with pytest.raises(NotFoundError, match="no log of a service 'web'") as raised:
        parts(ground, run, Part(), service="web")
    assert raised.value.hint == "its services: db"


def test_the_name_of_a_matrix_stands_for_its_cells(tmp_path: Path) -> None:
    cells = tuple(replace(running(f"unit:{cell}"), group="unit") for cell in "12")
    run = Ground(tmp_path).begin(stages=(*cells, running("lint")))
    assert [stage.name for stage in cells_of(run, "unit")] == ["unit:1", "unit:2"]
    assert [stage.name for stage in cells_of(run, "unit:2")] == ["unit:2"]
    assert len(cells_of(run, None)) == 3
    with pytest.raises(NotFoundError, match="no stage of run 1 has an attempt 9"):
        check_attempt(run, run.stages, 9)
