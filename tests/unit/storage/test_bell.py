"""A bell between processes: lines come whole and in order, and nobody listening is noticed."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Queue

import pytest

from pipeline.storage.bell import Bell, ring


@pytest.fixture
def heard() -> Queue[str]:
    return Queue()


def test_lines_come_in_order_and_whole(tmp_path: Path, heard: Queue[str]) -> None:
    bell = Bell(tmp_path / "bell", heard.put)
    assert [ring(tmp_path / "bell", f"line {number}") for number in range(50)] == [True] * 50
    assert [heard.get(timeout=20) for _ in range(50)] == [f"line {number}" for number in range(50)]
    bell.close()


def test_many_who_ring_at_once_do_not_mix(tmp_path: Path, heard: Queue[str]) -> None:
    bell = Bell(tmp_path / "bell", heard.put)
    lines = [str(number) * 900 for number in range(8)]
    threads = [threading.Thread(target=ring, args=(tmp_path / "bell", line)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard.get(timeout=20) for _ in lines) == lines
    bell.close()


def test_nobody_listens(tmp_path: Path, heard: Queue[str]) -> None:
    assert not ring(tmp_path / "bell", "too early")
    bell = Bell(tmp_path / "bell", heard.put)
    bell.close()
    assert not ring(tmp_path / "bell", "too late")
    assert heard.empty()


def test_what_was_said_before_the_end_is_heard(tmp_path: Path, heard: Queue[str]) -> None:
    bell = Bell(tmp_path / "bell", heard.put)
    ring(tmp_path / "bell", "last\nwords")
    bell.close()
    assert heard.get_nowait() == "last words"
