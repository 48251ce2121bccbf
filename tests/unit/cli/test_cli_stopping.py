"""Signals while a run is under way, sent for real to this process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pipeline.cli.stopping import stopping
from pipeline.ports.cancellation import Cancellation


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(signal.SIGINT, "interrupted", id="ctrl-c"),
        pytest.param(signal.SIGTERM, "terminated by a signal", id="sigterm"),
        pytest.param(signal.SIGHUP, "its terminal was closed", id="sighup"),
    ],
)
def test_the_first_signal_cancels_with_its_reason(number: signal.Signals, reason: str) -> None:
    cancel, notes = Cancellation(), list[str]()
    before = signal.getsignal(number)
    with stopping(cancel, note=notes.append):
        os.kill(os.getpid(), number)
        assert cancel.wait(20)
    assert (cancel.reason, notes) == (reason, ["cancelling tidily; Ctrl-C again kills and leaves"])
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(signal.SIGINT, signal.SIGINT, id="ctrl-c-twice"),
        pytest.param(signal.SIGTERM, signal.SIGINT, id="ctrl-c-behind-sigterm"),
        pytest.param(signal.SIGINT, signal.SIGTERM, id="github-cancels-a-job"),
    ],
)
def test_a_second_ctrl_c_interrupts_the_main_thread(first: signal.Signals, second: signal.Signals) -> None:
    cancel = Cancellation()

    def twice() -> None:
        os.kill(os.getpid(), first)
        assert cancel.wait(20)
        os.kill(os.getpid(), second)

    with pytest.raises(KeyboardInterrupt), stopping(cancel, note=lambda _: None):
        twice()


def test_a_second_sigterm_is_patient() -> None:
    cancel = Cancellation()
    with stopping(cancel, note=lambda _: None):
        os.kill(os.getpid(), signal.SIGTERM)
        assert cancel.wait(20)
        os.kill(os.getpid(), signal.SIGTERM)
    assert cancel.reason == "terminated by a signal"


def test_a_signal_that_finds_the_main_thread_holding_a_lock_blocks_nothing() -> None:
    cancel, lock = Cancellation(), threading.Lock()

    def note(text: str) -> None:
        with lock:
            assert text

    with stopping(cancel, note=note):
        with lock:
            os.kill(os.getpid(), signal.SIGINT)
            assert not cancel.cancelled
        assert cancel.wait(20)


def test_without_a_signal_nothing_is_left() -> None:
    with stopping(Cancellation(), note=lambda _: None):
        pass
    assert "stopping" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(signal.SIGTERM, "cancelled by anna", id="sigterm"),
        pytest.param(signal.SIGINT, "interrupted", id="ctrl-c-is-nobody-elses-wish"),
    ],
)
def test_who_asked_for_the_end_is_the_reason(number: signal.Signals, reason: str) -> None:
    cancel = Cancellation()
    with stopping(cancel, note=lambda _: None, asked_by=lambda: "cancelled by anna"):
        os.kill(os.getpid(), number)
        assert cancel.wait(20)
    assert cancel.reason == reason
