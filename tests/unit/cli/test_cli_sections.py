"""Sections for CI hosts: whole, one after the other, and nothing that a stage prints is obeyed."""

from __future__ import annotations

import io
import re

import pytest
from recorded import SHOP, Stopwatch, Telling, failing_run, header, plan_of

from pipeline.cli.render.sections import Marks, SectionedLines, SectionMarkers, WorkflowCommands
from pipeline.cli.render.terminal import PIPE
from pipeline.model.outcome import succeeded
from pipeline.model.status import Conclusion

TOKEN = "f00d"
STOP, RESUME = f"::stop-commands::{TOKEN}\n", f"::{TOKEN}::\n"

EXPECTED = """\
shop · main 4f1c0de00000 · push · 5 stages
::group::checkout
· 4f1c0de from /src/shop
::endgroup::
● checkout succeeded in 0.4s: 4f1c0de
::group::unit
$ pytest --junitxml=report.xml
collected 2 items
.F
1 failed, 1 passed
::endgroup::
✕ unit failed in 12s: 1 test failed · 1 passed, 1 failed
::group::lint
::endgroup::
✕ lint errored in 12s: image ruff:9 not found
○ image blocked: needs unit: failed
::group::docs
$ make docs
::endgroup::
● docs succeeded, flaky in 1.5s: exit 0
"""


def told(marks: Marks) -> tuple[SectionedLines, Stopwatch, io.BytesIO]:
    out, stopwatch = io.BytesIO(), Stopwatch()
    return SectionedLines(out, PIPE, marks, colour=False, stopwatch=stopwatch), stopwatch, out


def github() -> Marks:
    return WorkflowCommands(TOKEN)


def gitlab() -> Marks:
    return SectionMarkers(now=lambda: 1_800_000_000)


def test_the_whole_story_in_groups() -> None:
    view, stopwatch, out = told(github())
    failing_run(view, stopwatch)
    text = out.getvalue().decode()
    assert text.replace(STOP, "").replace(RESUME, "").startswith(EXPECTED)
    assert text.startswith(STOP)
    assert text.endswith(RESUME)


@pytest.mark.parametrize(
    "line", [b"::add-mask::x", b"::endgroup::", b"::error::no", b"##[group]x", b"::f00e::", b"  ::debug::x"]
)
def test_what_a_stage_prints_stands_between_stop_and_resume(line: bytes) -> None:
    view, stopwatch, out = told(github())
    story = Telling(view, stopwatch, plan_of(SHOP))
    story.start("unit")
    story.start("lint")
    for stage in ("unit", "lint"):
        story.output(stage, line + b"\n")
        story.finish(stage, succeeded())
    story.end(Conclusion.SUCCEEDED)
    obeyed = re.sub(f"{re.escape(STOP)}.*?{re.escape(RESUME)}", "", out.getvalue().decode(), flags=re.DOTALL)
    assert obeyed == "::group::unit\n::endgroup::\n::group::lint\n::endgroup::\n"
    assert out.getvalue().count(line) >= 2


def test_a_word_that_stops_commands_cannot_be_guessed() -> None:
    assert WorkflowCommands().begin() != WorkflowCommands().begin()
    assert len(WorkflowCommands().begin()) > 40


def test_sections_of_gitlab_open_and_close_in_pairs() -> None:
    view, stopwatch, out = told(gitlab())
    failing_run(view, stopwatch)
    text = out.getvalue().decode()
    found = re.findall(r"\x1b\[0Ksection_(start|end):1800000000:([\w.-]+)(\[collapsed=true\])?\r\x1b\[0K", text)
    assert [(word, name) for word, name, _ in found] == [
        (word, f"ecluse_{name}") for name in ("checkout", "unit", "lint", "docs") for word in ("start", "end")
    ]


def test_no_line_of_a_stage_can_open_a_section() -> None:
    view, stopwatch, out = told(gitlab())
    story = Telling(view, stopwatch, plan_of(SHOP))
    story.start("unit")
    marker = b"\x1b[0Ksection_end:1:ecluse_unit\r\x1b[0K"
    story.output("unit", marker + b"\n" + marker[:5] + marker + marker[5:] + b"\n")
    story.finish("unit", succeeded())
    story.end(Conclusion.SUCCEEDED)
    assert len(re.findall(rb"section_(?:start|end):\d+:[\w.-]+(?:\[[^\]]*\])?\r\x1b\[0K", out.getvalue())) == 2


def test_stages_at_once_never_run_into_each_other() -> None:
    view, stopwatch, out = told(github())
    story = Telling(view, stopwatch, plan_of(SHOP))
    for stage in ("unit", "lint", "docs"):
        story.start(stage)
    big = b"x" * 99 + b"\n"
    for _ in range(15_000):
        story.output("lint", big)  # more than is kept in memory
    for number in range(3):
        for stage in ("unit", "lint", "docs"):
            story.output(stage, b"%s %d\n" % (stage.encode(), number))
    live = out.getvalue()
    assert b"unit 2\n" in live
    assert b"lint" not in live
    story.finish("docs", succeeded())
    story.finish("unit", succeeded())
    assert out.getvalue().endswith(b"lint 2\n")
    story.output("lint", b"lint goes on live\n")
    assert out.getvalue().endswith(b"lint goes on live\n")
    story.finish("lint", succeeded())
    story.end(Conclusion.SUCCEEDED)
    text = out.getvalue().decode().replace(STOP, "").replace(RESUME, "").replace(big.decode(), "")
    assert re.findall(r"::group::(\w+)", text) == ["unit", "docs", "lint"]
    for name, body in re.findall(r"::group::(\w+)\n(.*?)::endgroup::", text, flags=re.DOTALL):
        assert all(row.startswith(name) for row in body.splitlines())
    assert out.getvalue().count(big) == 15_000


def test_a_run_that_breaks_off_leaves_no_section_open() -> None:
    view, stopwatch, out = told(github())
    story = Telling(view, stopwatch, plan_of(SHOP))
    story.start("unit")
    story.start("lint")
    story.output("lint", header("make"))
    view.close()
    text = out.getvalue().decode()
    assert (text.count("::group::"), text.count("::endgroup::")) == (2, 2)
    assert text.endswith(RESUME)
    view.close()
    assert out.getvalue().decode() == text
