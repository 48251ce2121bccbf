"""The log of an attempt: whole lines in order, stamped, masked, bounded, hashed."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.engine.masking import Masker
from pipeline.engine.stage_log import AttemptLog
from pipeline.errors import DiskFullError
from pipeline.model.container import Stream

MOMENT = datetime(2026, 11, 23, 23, 0, 0, 123_456, tzinfo=UTC)
STAMP = b"2026-11-23T23:00:00.123Z "


def open_log(path: Path, *, limit: int = 1 << 20, masker: Masker | None = None) -> tuple[AttemptLog, list[bytes]]:
    told: list[bytes] = []
    log = AttemptLog(path, masker=masker or Masker(), follower=told.append, limit=limit, now=lambda: MOMENT)
    return log, told


def test_every_line_has_its_time_and_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    log, told = open_log(tmp_path / "unit.1.log")
    log.command("make")
    log.write(Stream.OUT, b"one\ntw")
    log.write(Stream.ERR, b"err\n")
    log.write(Stream.OUT, b"o\nlast")
    digest = log.close()
    content = (tmp_path / "unit.1.log").read_bytes()
    expected = [b"\x1b[1;36m$ make\x1b[0m", b"one", b"err", b"two", b"last"]
    assert content == b"".join(STAMP + line + b"\n" for line in expected)
    assert digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert log.lines == 5
    assert b"".join(told) == b"".join(line + b"\n" for line in expected)


def test_the_limit_ends_in_a_clear_line(tmp_path: Path) -> None:
    log, _ = open_log(tmp_path / "x.log", limit=25)
    for number in range(100):
        log.write(Stream.OUT, b"line %d\n" % number)
    log.close()
    lines = (tmp_path / "x.log").read_text().splitlines()
    assert [line[25:] for line in lines[:3]] == ["line 0", "line 1", "line 2"]
    assert "longer than 25 bytes" in lines[-1]
    assert len(lines) == 4


def test_services_have_logs_of_their_own_and_only_notes_in_that_of_the_stage(tmp_path: Path) -> None:
    log, told = open_log(tmp_path / "unit.1.log")
    log.service("db").write(Stream.OUT, b"ready\nto accept")
    log.service("db").note("is ready")
    log.close()
    path, digest = log.service_logs["db"]
    assert path == tmp_path / "unit.1.db.log"
    assert path.read_bytes() == STAMP + b"ready\n" + STAMP + b"to accept\n"
    assert digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert told == [b"\x1b[2m\xc2\xb7 [db] is ready\x1b[0m\n"]


def test_the_last_words_of_services_are_shown_where_one_does_not_get_ready(tmp_path: Path) -> None:
    log, told = open_log(tmp_path / "unit.1.log")
    log.service("db").write(Stream.ERR, b"".join(b"line %d\n" % number for number in range(100)))
    log.last_words()
    log.close()
    assert b"".join(told).splitlines() == [b"[db] line %d" % number for number in range(80, 100)]


def killed(path: Path) -> None:
    """The log of a process that noted something, started its container, heard some of it, and was killed."""
    log, _ = open_log(path)
    log.note("pulling image x")
    log.note("service 'db' ready after 0.3 s")
    log.starting()
    log.write(Stream.OUT, b"one\ntwo\nthr")
    log.service("db").write(Stream.OUT, b"served\n")


def take_up(path: Path) -> tuple[AttemptLog, list[bytes]]:
    told: list[bytes] = []
    log = AttemptLog(path, masker=Masker(), follower=told.append, limit=1 << 20, now=lambda: LATER, taken_up=True)
    return log, told


NOTES = [b"\x1b[2m\xc2\xb7 pulling image x\x1b[0m", b"\x1b[2m\xc2\xb7 service 'db' ready after 0.3 s\x1b[0m"]
LATER = MOMENT.replace(hour=23, minute=30)
LATER_STAMP = b"2026-11-23T23:30:00.123Z "


def test_at_a_take_over_no_line_is_lost_and_none_doubled(tmp_path: Path) -> None:
    path = tmp_path / "unit.1.log"
    killed(path)
    log, told = take_up(path)
    log.replaying()
    log.starting()
    log.replayed(Stream.OUT, b"one\ntwo\n", MOMENT)
    log.replayed(Stream.OUT, b"three", MOMENT)
    log.write(Stream.OUT, b" and a half\nfour\n")
    log.service("db").replaying()
    log.service("db").replayed(Stream.OUT, b"served\n", MOMENT)
    digest = log.close()
    lines = path.read_bytes().splitlines()
    assert [line[25:] for line in lines] == [*NOTES, b"one", b"two", b"three and a half", b"four"]
    assert [line[:25] for line in lines] == [STAMP] * 4 + [LATER_STAMP] * 2
    assert digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert log.lines == len(lines)
    assert b"".join(told).splitlines() == [*NOTES, b"one", b"two", b"three and a half", b"four"]
    assert log.service_logs["db"][0].read_bytes() == STAMP + b"served\n"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["unit.1.db.log", "unit.1.log"]


def test_notes_survive_a_second_kill_at_any_moment_of_the_take_over(tmp_path: Path) -> None:
    path = tmp_path / "unit.1.log"
    killed(path)
    for steps in range(4):
        log, _ = take_up(path)
        for step in (log.replaying, log.starting, lambda log=log: log.replayed(Stream.OUT, b"one\n", MOMENT))[:steps]:  # type: ignore[misc]
            step()
    log, _ = take_up(path)
    log.replaying()
    log.starting()
    log.replayed(Stream.OUT, b"one\n", MOMENT)
    log.close()
    assert [line[25:] for line in path.read_bytes().splitlines()] == [*NOTES, b"one"]


def test_what_both_processes_note_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "unit.1.log"
    killed(path)
    log, told = take_up(path)
    log.note("pulling image x")
    log.replaying()
    log.starting()
    log.replayed(Stream.OUT, b"one\n", MOMENT)
    log.close()
    assert [line[25:] for line in path.read_bytes().splitlines()] == [*NOTES, b"one"]
    assert b"".join(told).splitlines() == [*NOTES, b"one"]


def test_what_runs_from_its_beginning_again_begins_its_log_again(tmp_path: Path) -> None:
    path = tmp_path / "unit.1.log"
    killed(path)
    log, _ = take_up(path)
    log.note("pulling image x")
    log.starting()
    log.write(Stream.OUT, b"one\n")
    log.close()
    assert [line[25:] for line in path.read_bytes().splitlines()] == [NOTES[0], b"one"]


def test_secrets_are_masked_in_what_is_replayed(tmp_path: Path) -> None:
    masker = Masker()
    masker.add("s3cr3t-value")
    log, told = open_log(tmp_path / "x.log", masker=masker)
    log.replaying()
    log.replayed(Stream.OUT, b"token=s3cr3t-", MOMENT)
    log.write(Stream.OUT, b"value\n")
    log.close()
    assert b"s3cr3t-value" not in (tmp_path / "x.log").read_bytes() + b"".join(told)


def test_secrets_reach_neither_the_file_nor_the_follower(tmp_path: Path) -> None:
    masker = Masker()
    masker.add("s3cr3t-value")
    log, told = open_log(tmp_path / "x.log", masker=masker)
    log.write(Stream.OUT, b"token=s3cr3t-")
    log.write(Stream.OUT, b"value\n")
    log.note("pushing as s3cr3t-value")
    log.command("echo s3cr3t-value")
    log.close()
    assert b"s3cr3t-value" not in (tmp_path / "x.log").read_bytes() + b"".join(told)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk_is_said_at_the_end_and_breaks_nothing_before(tmp_path: Path) -> None:
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    log, told = open_log(full)
    log.write(Stream.OUT, b"one\n")
    with pytest.raises(DiskFullError) as caught:
        log.close()
    assert "no space left" in caught.value.message
    assert told == [b"one\n"]
