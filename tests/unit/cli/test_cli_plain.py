"""A run as plain lines: the exact text, little work, and quiet when nobody reads."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import SHOP, Stopwatch, Telling, failing_run, header, plan_of

from pipeline.cli.render.plain import PlainLines
from pipeline.cli.render.terminal import PIPE
from pipeline.model.outcome import Outcome, succeeded
from pipeline.model.report import TestReport, TestStatus
from pipeline.model.run import Products
from pipeline.model.status import Conclusion

EXPECTED = """\
shop · main 4f1c0de00000 · push · 5 stages
◐ checkout starts
[checkout] · 4f1c0de from /src/shop
● checkout succeeded in 0.4s: 4f1c0de
◐ unit starts
◐ lint starts
[unit] $ pytest --junitxml=report.xml
[unit] collected 2 items
[unit] .F
[unit] 1 failed, 1 passed
✕ lint errored in 12s: image ruff:9 not found
✕ unit failed in 12s: 1 test failed · 1 passed, 1 failed
○ image blocked: needs unit: failed
◐ docs starts
[docs] $ make docs
● docs succeeded, flaky in 1.5s: exit 0

✕ unit failed: 1 test failed
  ✕ tests.test_till.test_change (tests/test_till.py:12)
    assert 3 == 4
  look closer: ecluse logs 41 unit

✕ lint errored: image ruff:9 not found
  check the name, or log in to its registry
  look closer: ecluse logs 41 lint

✕ shop #41 errored in 14s: 1 errored, 1 failed, 1 blocked, 2 succeeded
  everything about it: ecluse show 41
"""


def test_the_whole_story_in_plain_lines() -> None:
    out, stopwatch = io.BytesIO(), Stopwatch()
    failing_run(PlainLines(out, PIPE, stopwatch=stopwatch), stopwatch)
    assert out.getvalue().decode() == EXPECTED


def test_a_terminal_without_unicode_gets_ascii() -> None:
    out, stopwatch = io.BytesIO(), Stopwatch()
    failing_run(PlainLines(out, replace(PIPE, unicode=False), stopwatch=stopwatch), stopwatch)
    own = [row for row in out.getvalue().decode().splitlines() if not row.startswith("[")]
    assert all(row.isascii() for row in own)
    assert "x unit failed in 12s: 1 test failed - 1 passed, 1 failed" in own


def test_every_line_of_a_block_is_named_and_kept_whole() -> None:
    out, stopwatch = io.BytesIO(), Stopwatch()
    story = Telling(PlainLines(out, PIPE, stopwatch=stopwatch), stopwatch, plan_of(SHOP))
    begin = out.tell()
    story.output("unit", b"a\n\nc [unit] \xff\n")
    assert out.getvalue()[begin:] == b"[unit] a\n[unit] \n[unit] c [unit] \xff\n"


def test_a_silent_command_shows_what_came_before_it() -> None:
    from pipeline.model.outcome import failed

    out, stopwatch = io.BytesIO(), Stopwatch()
    story = Telling(PlainLines(out, PIPE, stopwatch=stopwatch), stopwatch, plan_of(SHOP))
    story.start("lint")
    story.output("lint", header("prepare") + b"ready\n" + header("exit 2"))
    story.finish("lint", failed("exit 2"))
    story.end(Conclusion.FAILED)
    assert "  │ $ prepare\n  │ ready\n  │ $ exit 2\n" in out.getvalue().decode()


def test_a_reader_that_has_gone_does_not_stop_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stopwatch = Stopwatch()
    with os.fdopen(writing, "wb", buffering=0) as out:
        story = Telling(PlainLines(out, PIPE, stopwatch=stopwatch), stopwatch, plan_of(SHOP))
        story.start("docs")
        story.output("docs", b"text\n")
        story.finish("docs", succeeded())
        story.end(Conclusion.SUCCEEDED)


def test_what_the_tests_said_is_said_once() -> None:
    out, stopwatch = io.BytesIO(), Stopwatch()
    story = Telling(PlainLines(out, PIPE, stopwatch=stopwatch), stopwatch, plan_of(SHOP))
    passed = TestReport(unlisted={TestStatus.PASSED: 1})
    story.start("unit")
    story.finish("unit", Outcome(conclusion=Conclusion.SUCCEEDED, reason=passed.summary), Products(tests=passed))
    assert "unit succeeded in 0.0s: 1 passed\n" in out.getvalue().decode()


def test_a_good_run_ends_in_one_line() -> None:
    out, stopwatch = io.BytesIO(), Stopwatch()
    story = Telling(PlainLines(out, PIPE, stopwatch=stopwatch), stopwatch, plan_of(SHOP[:1]))
    story.numbered(7)
    story.start("checkout")
    stopwatch.seconds += 75
    story.finish("checkout", succeeded())
    story.end(Conclusion.SUCCEEDED)
    assert out.getvalue().decode().endswith("\n\n● shop #7 succeeded in 1m 15s: 1 succeeded\n")


def test_a_full_disk_behind_the_output_is_said_once_and_the_run_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    stopwatch = Stopwatch()
    with Path("/dev/full").open("wb", buffering=0) as out:
        failing_run(PlainLines(out, PIPE, stopwatch=stopwatch), stopwatch)
    assert capsys.readouterr().err == (
        "warning: standard output cannot be written: No space left on device\n"
        "  the run goes on; its logs are kept, see `ecluse logs`\n"
    )
