"""A run as JSON events: one object a line, with everything a program needs."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

from recorded import BEGIN, RUN_ID, Stopwatch, failing_run

from pipeline.cli.render.events import JsonEvents


def events() -> list[dict[str, Any]]:
    """The recorded run as a program reads it."""
    out, stopwatch = io.BytesIO(), Stopwatch()
    failing_run(JsonEvents(out, clock=lambda: BEGIN), stopwatch)
    return [json.loads(row) for row in out.getvalue().splitlines()]


def test_every_call_is_one_event() -> None:
    assert Counter(item["event"] for item in events()) == {
        "run_started": 1,
        "run_numbered": 1,
        "stage_moved": 12,
        "stage_output": 4,
        "attempt_finished": 4,
        "stage_finished": 5,
        "run_finished": 1,
    }


def test_each_event_has_its_run_and_its_time() -> None:
    assert {(item["run"], item["time"]) for item in events()} == {(RUN_ID, "2026-11-23T23:00:00.000Z")}


def test_the_first_event_names_the_stages_and_their_needs() -> None:
    first = events()[0]
    assert first["stages"][3] == {"name": "image", "kind": "build", "needs": ["unit"]}
    assert (first["commit"][:7], first["branch"], first["on"]) == ("4f1c0de", "main", "push")


def test_a_failed_attempt_says_which_tests_failed() -> None:
    attempt = next(item for item in events() if item["event"] == "attempt_finished" and item["stage"] == "unit")
    assert attempt["outcome"]["conclusion"] == "failed"
    assert attempt["products"]["tests"] == {"passed": 1, "failed": 1, "errored": 0, "skipped": 0}
    assert attempt["products"]["failures"] == ["tests.test_till.test_change"]


def test_the_last_event_tells_the_end() -> None:
    last = events()[-1]
    assert (last["event"], last["number"], last["state"], last["conclusion"]) == ("run_finished", 41, "done", "errored")


def test_output_keeps_its_line_ends_and_survives_bad_bytes() -> None:
    texts = [item["text"] for item in events() if item["event"] == "stage_output" and item["stage"] == "unit"]
    assert texts[1] == "collected 2 items\n.F\n1 failed, 1 passed\n"
