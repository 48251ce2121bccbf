"""The process that makes one run of the simulated day: the real one, but with executor `scripted`.

A worker calls it as it calls `ecluse make-run`. Stages last as long as they would, print what they would print, and
leave a test report and an artifact; only the containers are not there. It speaks to the database as somebody of its
own (SCALE_RUN_DATABASE), so that its statements can be told from those of others.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from pipeline.executors.scripted import Scripted
    from pipeline.model.container import ContainerSpec, Stream
    from pipeline.ports.executor import Executor

CASES = 20
"""Test cases of a run."""
PARTS = 5
"""A stage prints in so many parts."""
FAILS_IN = 10
"""One run of so many has a failed test."""


def fails(run: str) -> bool:
    """Whether the tests of a run fail."""
    return zlib.crc32(run.encode()) % FAILS_IN == 0


def main() -> None:
    """As the command's door does it."""
    import gc

    gc.set_threshold(100_000, 50, 100)
    from pipeline.cli.quick_dataclasses import compile_later

    compile_later()
    from pipeline.bootstrap import Application
    from pipeline.cli.make_run import make_item

    item, _, token, _, worker = sys.argv[1:]

    class Simulated(Application):
        """Has the executor `scripted`."""

        def executor(self, name: str) -> Executor:
            from pipeline.executors.scripted import ScriptedExecutor

            with self._lock:
                if name not in self._executors:
                    self._executors[name] = ScriptedExecutor(script)
                return self._executors[name]

    def script(spec: ContainerSpec) -> Scripted:
        return _of_stage(spec, fails=fails(item))

    app = Simulated({**os.environ, "ECLUSE_DATABASE": os.environ["SCALE_RUN_DATABASE"]})
    status = make_item(app, item, token=int(token), worker=worker)
    sys.stderr.flush()
    os._exit(status)


def _of_stage(spec: ContainerSpec, *, fails: bool) -> Scripted:
    from pipeline.executors.scripted import Scripted

    seconds, lines = float(os.environ["SCALE_STAGE_SECONDS"]), int(os.environ["SCALE_STAGE_LINES"])
    wrong = fails and spec.stage == "unit"
    files: dict[str, bytes | None] = {}
    if spec.stage == "unit":
        files["report.xml"] = _report(wrong)
    if spec.stage == "build":
        files["app.bin"] = os.urandom(10_000)
    return Scripted(code=int(wrong), output=_Printed(spec.stage, seconds, lines), files=files, seconds=seconds)


class _Printed(Sequence["tuple[Stream, bytes]"]):
    """What a stage prints, in parts over its time: whoever takes them waits for them."""

    def __init__(self, stage: str, seconds: float, lines: int) -> None:
        self._stage = stage
        self._seconds = seconds
        self._lines = lines

    def __len__(self) -> int:
        return PARTS

    @overload
    def __getitem__(self, index: int) -> tuple[Stream, bytes]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[Stream, bytes]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Stream, bytes] | Sequence[tuple[Stream, bytes]]:
        return list(self)[index]

    def __iter__(self) -> Iterator[tuple[Stream, bytes]]:
        from pipeline.model.container import Stream

        for part in range(PARTS):
            first, last = part * self._lines // PARTS, (part + 1) * self._lines // PARTS
            words = "".join(
                f"{self._stage}: step {line} of a build that prints a line\n" for line in range(first, last)
            )
            yield Stream.OUT, words.encode()
            time.sleep(self._seconds / PARTS)


def _report(wrong: bool) -> bytes:
    cases = "".join(
        f'<testcase classname="tests.test_tea" name="test_{number}" time="0.1">'
        + ('<failure message="cold">tea is cold</failure>' if wrong and not number else "")
        + "</testcase>"
        for number in range(CASES)
    )
    return f'<testsuites><testsuite name="tea">{cases}</testsuite></testsuites>'.encode()


if __name__ == "__main__":
    main()
