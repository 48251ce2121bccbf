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


def test_services_stand_in_the_log_behind_their_name(tmp_path: Path) -> None:
    log, told = open_log(tmp_path / "x.log")
    log.service("db").write(Stream.OUT, b"ready\nto accept")
    log.service("db").note("is ready")
    log.close()
    assert told == [b"[db] ready\n", b"\x1b[2m\xc2\xb7 [db] is ready\x1b[0m\n", b"[db] to accept\n"]


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
