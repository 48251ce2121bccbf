"""`ecluse logs`: what the stages of a run printed, a part of it, or where it says something."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_run, complete_stage
from pipeline.cli.options import moment_of, output
from pipeline.cli.render.clean import for_file, for_terminal
from pipeline.cli.render.terminal import Terminal
from pipeline.cli.render.words import spoken
from pipeline.errors import UsageError
from pipeline.model.run import StageRun
from pipeline.operations.log_parts import Part
from pipeline.operations.logs import LogBlock

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked

_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What of the logs is asked for, apart from where."""

    attempt: int
    service: str
    part: Part
    follow: bool
    times: bool


@click.command()
@click.argument("reference", metavar="[RUN]", required=False, shell_complete=complete_run)
@click.argument("stage", required=False, shell_complete=complete_stage)
@asked_option
@click.option("--follow", "-f", is_flag=True, help="Go on until the stages are done.")
@click.option("--attempt", type=click.IntRange(1), default=None, metavar="N", help="Only this attempt; by default all.")
@click.option("--times", "--timestamps", "times", is_flag=True, help="Print the time of each line.")
@click.option("--tail", type=click.IntRange(0), default=None, metavar="N", help="Only the last N lines of each stage.")
@click.option("--lines", default=None, metavar="A:B", help="Only these lines of each stage, counted from 1.")
@click.option("--since", default=None, metavar="TIME", help="Only from then on: 10m ago, or 2026-11-24T03:00:00Z.")
@click.option("--service", default="", metavar="NAME", help="What this service beside the stage printed.")
@click.option("--grep", default=None, metavar="REGEX", help="Only lines that match; without RUN in many runs.")
@click.option(
    "--context", type=click.IntRange(0, 100), default=0, metavar="N", help="With --grep: N lines around each."
)
@click.option("--most", type=click.IntRange(1), default=1000, show_default=True, metavar="N", help="--grep: at most N.")
@click.option(
    "--runs", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="--grep: newest N runs."
)
@click.option("--branch", default="", metavar="NAME", help="With --grep: only runs of this branch.")
@click.option("--failed", is_flag=True, help="With --grep: only runs that failed, timed out or errored.")
@click.option("--stage", "of_stage", default=None, metavar="NAME", help="With --grep: only logs of this stage.")
@click.option("--all", "everywhere", is_flag=True, help="With --grep: runs of all repositories.")
def logs(
    reference: str | None,
    stage: str | None,
    asked: Asked,
    follow: bool,
    attempt: int | None,
    times: bool,
    tail: int | None,
    lines: str | None,
    since: str | None,
    service: str,
    grep: str | None,
    context: int,
    most: int,
    runs: int,
    branch: str,
    failed: bool,
    of_stage: str | None,
    everywhere: bool,
) -> None:
    """Print the logs of RUN, or of one STAGE of it; with --grep, find lines in them or in the logs of many runs.

    With several stages each line stands behind the name of its stage.
    """
    part = _part(tail, lines, since)
    wanted = Wanted(attempt=attempt or 0, service=service, part=part, follow=follow, times=times)
    if grep is not None:
        from pipeline.cli.log_search import find
        from pipeline.operations.log_question import LogQuestion

        if follow or not part.everything:
            raise UsageError("--grep looks through whole logs", hint="leave --follow, --tail, --lines and --since away")
        question = LogQuestion(
            pattern=grep, reference=reference or "", stage=stage or of_stage or "", attempt=wanted.attempt,
            service=service, branch=branch, failed=failed, runs=runs, context=context, most=most,
        )  # fmt: skip
        find(asked, question, everywhere=everywhere)
        return
    if reference is None:
        raise UsageError("which run?", hint="name one (`last`, 41), or look through many with --grep")
    if follow and (attempt or service or not part.everything):
        raise UsageError("--follow shows every attempt from its first line", hint="leave one of them away")
    _show(reference, stage or of_stage, asked, wanted)


def _show(reference: str, name: str | None, asked: Asked, wanted: Wanted) -> None:
    from pipeline.operations.logs import cells_of, check_attempt

    run = asked.run(reference)
    stages = cells_of(run, name)
    if wanted.attempt:
        check_attempt(run, stages, wanted.attempt)
    blocks = asked.logs(run, stages, wanted.part, attempt=wanted.attempt, service=wanted.service, follow=wanted.follow)
    if not _print(blocks, named=len(stages) != 1, times=wanted.times, terminal=output()) and wanted.part.everything:
        sys.stderr.write(_nothing(stages))


def _part(tail: int | None, lines: str | None, since: str | None) -> Part:
    from pipeline.operations.log_parts import parse_lines

    if lines is not None and (tail is not None or since is not None):
        raise UsageError("--lines chooses by number, --tail and --since otherwise", hint="leave one of them away")
    first, last = parse_lines(lines) if lines is not None else (1, None)
    return Part(first=first, last=last, tail=tail, since=moment_of(since, "--since") if since is not None else None)


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
