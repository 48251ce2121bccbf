"""`ecluse logs`: what the stages of a run printed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from pipeline.cli.options import application, output, repository_option, run_argument
from pipeline.cli.render.clean import for_file, for_terminal
from pipeline.cli.render.terminal import Terminal
from pipeline.cli.render.words import spoken
from pipeline.errors import NotFoundError, UsageError
from pipeline.model.run import StageRun
from pipeline.operations.logs import LogBlock

_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", re.MULTILINE)


@click.command()
@run_argument
@click.argument("stage", required=False)
@repository_option
@click.option("--follow", "-f", is_flag=True, help="Go on until the stages are done.")
@click.option("--attempt", type=click.IntRange(1), default=None, metavar="N", help="Only this attempt; by default all.")
@click.option("--times", is_flag=True, help="Print the time of each line.")
def logs(reference: str, stage: str | None, repository: Path, follow: bool, attempt: int | None, times: bool) -> None:
    """Print the logs of RUN, or of one STAGE of it.

    With several stages each line stands behind the name of its stage.
    """
    from pipeline.operations.logs import follow_logs, read_logs, stages_of
    from pipeline.operations.place import repository_of

    if follow and attempt:
        raise UsageError("--follow shows every attempt", hint="leave --attempt away")
    app = application()
    run = app.records.find_run(reference, repository=repository_of(repository))
    stages = stages_of(run, stage)
    if attempt and stage and not any(item.number == attempt for item in stages[0].attempts):
        count = len(stages[0].attempts)
        raise NotFoundError(f"stage '{stage}' has no attempt {attempt}", hint=f"it has {count} so far")
    home = app.settings.home
    blocks = (
        follow_logs(app.records, app.storage, home, run, [item.name for item in stages])
        if follow
        else read_logs(app.storage, home, run, stages, attempt or 0)
    )
    if not _print(blocks, named=stage is None, times=times, terminal=output()):
        sys.stderr.write(_nothing(stages))


def _print(blocks: Iterable[LogBlock], *, named: bool, times: bool, terminal: Terminal) -> bool:
    any_lines = False
    out = sys.stdout.buffer
    for block in blocks:
        any_lines = True
        text = block.lines if times else _STAMP.sub(b"", block.lines)
        safe = for_terminal(text, colour=terminal.colour) if terminal.interactive else for_file(text)
        if named:
            prefix = b"[" + block.stage.encode() + b"] "
            safe = prefix + safe[:-1].replace(b"\n", b"\n" + prefix) + b"\n"
        out.write(safe)
        out.flush()
    return any_lines


def _nothing(stages: tuple[StageRun, ...]) -> str:
    if len(stages) != 1:
        return "no stage of this run has printed anything\n"
    stage = stages[0]
    if stage.outcome is None:
        return f"stage '{stage.name}' has not printed anything yet ({stage.state.value})\n"
    return f"stage '{stage.name}' has no log: {spoken(stage.outcome.conclusion.value)}, {stage.outcome.reason}\n"
