"""Two hundred clients at once, each with a body of a hundred megabytes."""

from __future__ import annotations

from pathlib import Path

from greedy import MEGABYTE, crowded

from pipeline.web import bodies, hooks


def test_two_hundred_bodies_of_a_hundred_megabytes_take_no_memory(tmp_path: Path) -> None:
    statuses, grown = crowded(tmp_path, clients=200, megabytes=100)
    assert statuses <= {b"413", b"503", b"429"}, statuses
    assert grown < 2 * (bodies.HELD + hooks.HELD) + 100 * MEGABYTE, f"{grown / MEGABYTE:.0f} MB"
