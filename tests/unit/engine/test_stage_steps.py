"""Which step runs is seen in the output however it is cut, and each has its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.engine.script import header_line
from pipeline.engine.steps import StepWatch
from pipeline.model.container import Stream
from pipeline.ports.cancellation import Cancellation

NOW = datetime(2026, 11, 24, tzinfo=UTC)
COMMANDS = ("make", "make test\n--quick", "echo 'é'")


class Sink:
    """Keeps what was passed on."""

    def __init__(self) -> None:
        self.text = b""

    def write(self, stream: Stream, chunk: bytes) -> None:
        self.text += chunk

    def starting(self) -> None: ...

    def note(self, line: str) -> None: ...

    def service(self, name: str) -> Sink:
        return self

    def replaying(self) -> None:
        self.text = b""

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        self.text += lines


def watch(*limits: float | None, sink: Sink | None = None, cancel: Cancellation | None = None) -> StepWatch:
    return StepWatch(sink or Sink(), COMMANDS, limits, cancel=cancel or Cancellation(), now=lambda: NOW)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_headers_are_found_wherever_chunks_are_cut(size: int) -> None:
    text = b"no end" + b"x\n".join(header_line(command) for command in COMMANDS) + b"done\n"
    sink = Sink()
    steps = watch(sink=sink)
    seen = []
    for start in range(0, len(text), size):
        steps.write(Stream.OUT, text[start : start + size])
        seen.append(steps.step)
    assert seen[-1] == 3
    assert seen == sorted(seen)
    assert sink.text == text


def test_headers_count_only_in_their_turn() -> None:
    steps = watch()
    steps.write(Stream.OUT, header_line(COMMANDS[0]) + header_line(COMMANDS[2]) + header_line(COMMANDS[0]))
    assert steps.step == 1
    steps.write(Stream.ERR, header_line(COMMANDS[1]))
    assert steps.step == 1
    steps.write(Stream.OUT, header_line(COMMANDS[1]))
    assert steps.step == 2


def test_a_step_past_its_limit_cancels() -> None:
    cancel = Cancellation()
    steps = watch(None, 0.01, cancel=cancel)
    steps.write(Stream.OUT, header_line(COMMANDS[0]) + header_line(COMMANDS[1]))
    assert cancel.wait(20)
    assert (cancel.reason, cancel.timed_out) == ("timeout 10ms in step 2", True)


def test_a_step_that_ended_in_time_does_not() -> None:
    cancel = Cancellation()
    steps = watch(3600.0, None, None, cancel=cancel)
    steps.write(Stream.OUT, b"".join(header_line(command) for command in COMMANDS))
    steps.close()
    assert not cancel.cancelled


def test_time_that_passed_before_a_process_was_killed_is_spent() -> None:
    cancel = Cancellation()
    steps = watch(3600.0, None, cancel=cancel)
    steps.write(Stream.OUT, header_line(COMMANDS[0]) + header_line(COMMANDS[1]))
    steps.replaying()
    assert steps.step == 0
    steps.replayed(Stream.OUT, header_line(COMMANDS[0]), NOW - timedelta(hours=2))
    assert cancel.wait(20)
    assert cancel.reason == "timeout 1h in step 1"
