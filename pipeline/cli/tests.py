"""`ecluse tests`: how tests fare over runs, which are slow, which are flaky, and which are in quarantine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import application, json_option, output, repository_option, show, show_json
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, columns, line
from pipeline.errors import UsageError
from pipeline.model.quarantine import PLACE, Quarantine

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked

Command = TypeVar("Command", bound=Callable[..., Any])


def _choice(command: Command) -> Command:
    """Which runs are looked at."""
    for option in (
        click.option("--all", "everywhere", is_flag=True, help="Runs of all repositories."),
        click.option("--stage", default="", metavar="NAME", help="Only this stage (with all its cells)."),
        click.option("--branch", default="", metavar="NAME", help="Only runs of this branch."),
    ):
        command = option(command)
    return command


def _runs(default: int) -> Callable[[Command], Command]:
    return click.option(
        "--runs",
        "-n",
        type=click.IntRange(1),
        default=default,
        show_default=True,
        metavar="N",
        help="The newest N runs.",
    )


@click.group(invoke_without_command=True)
@asked_option
@_choice
@_runs(20)
@json_option
@click.pass_context
def tests(
    context: click.Context, asked: Asked, branch: str, stage: str, everywhere: bool, runs: int, as_json: bool
) -> None:
    """Show how tests and coverage went over the last runs, and which tests are slow or flaky."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.cli.render.trends import slowest_lines, trend_lines

    measures = asked.measures(branch=branch, stage=stage, runs=runs, everywhere=everywhere)
    slowest = asked.slowest(branch=branch, stage=stage, runs=runs, limit=5, everywhere=everywhere)
    if as_json:
        show_json({"runs": measures, "slowest": slowest})
    elif not measures:
        show([line("no finished runs yet; start one: ecluse run")])
    else:
        title = " ".join(filter(None, (stage or "all stages", f"on {branch}" if branch else "")))
        lines = trend_lines(measures, title=title, unicode=output().unicode) + slowest_lines(slowest)
        show([*lines, line(("flaky ones: ecluse tests flaky", "dim"))] if slowest else lines)


@tests.command()
@asked_option
@_choice
@_runs(20)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="At most so many.")
@json_option
def slowest(asked: Asked, branch: str, stage: str, everywhere: bool, runs: int, limit: int, as_json: bool) -> None:
    """List the tests that take longest, by their mean over the last runs."""
    from pipeline.cli.render.trends import slowest_lines

    found = asked.slowest(branch=branch, stage=stage, runs=runs, limit=limit, everywhere=everywhere)
    if as_json:
        show_json(found)
    else:
        show(slowest_lines(found) or [line("no test reports yet; a stage of kind test has some")])


@tests.command()
@asked_option
@_choice
@_runs(100)
@json_option
def flaky(asked: Asked, branch: str, stage: str, everywhere: bool, runs: int, as_json: bool) -> None:
    """List tests that failed and passed with no change between, with their history."""
    from pipeline.cli.render.events import now
    from pipeline.cli.render.trends import flaky_lines

    found = asked.flaky(branch=branch, stage=stage, runs=runs, everywhere=everywhere)
    if as_json:
        show_json(found)
    else:
        show(flaky_lines(found, now=now()) or [line(f"no flaky test in the last {runs} runs")])


@tests.command()
@click.argument("test", required=False)
@repository_option
@click.option("--until", default=None, metavar="DAY", help="2027-01-31, or how long from today: 14d.")
@click.option("--reason", default="", metavar="TEXT", help="Why, and what is done about it.")
@click.option("--stage", default="", metavar="NAME", help="Only in this stage.")
@click.option("--file", "name", default=PLACE, show_default=True, metavar="PATH", help="The file, from the root.")
@json_option
def quarantine(
    test: str | None, repository: Path, until: str | None, reason: str, stage: str, name: str, as_json: bool
) -> None:
    """Put TEST (`classname::name`, or a name; `*` stands for anything) into quarantine, or list who is in it.

    The entry goes into a file of the repository: commit it, and it is reviewed like code.
    """
    from pipeline.operations import quarantining

    if test is None:
        entries = _entries(repository, name)
        if as_json:
            show_json(entries)
        else:
            show(_listed(entries) or [line(f"no test is in quarantine ({name})")])
        return
    if until is None or not reason.strip():
        raise UsageError("a quarantine needs an end and a reason", hint='--until 14d --reason "#123: races with …"')
    day = _day(until)
    if day < _today():
        raise UsageError(f"--until: {day} is over", hint="name a day to come")
    entry = quarantining.quarantine(
        _root(repository) / name, name=name, test=test, until=day, reason=reason, stage=stage
    )
    sys.stdout.write(f"{entry.test} is in quarantine until {entry.until} ({entry.place}); commit the file\n")


def _listed(entries: Sequence[Quarantine]) -> list[Line]:
    rows = [
        (
            (f"  {item.until}", "failed" if item.until < _today() else ""),
            ("ended: it counts again", "failed") if item.until < _today() else ("", ""),
            (one_line(item.test), "bold"),
            (item.stage, "dim"),
            one_line(item.reason),
            (item.place, "dim"),
        )
        for item in sorted(entries, key=lambda item: item.until)
    ]
    return columns(rows) if rows else []


def _day(text: str) -> date:
    from pipeline.model.quantity import seconds

    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return _today() + timedelta(seconds=seconds(text))
    except ValueError as error:
        raise UsageError(f"--until: '{text}' is no day", hint="write 2027-01-31, or 14d") from error


def _today() -> date:
    return application().clock.now().date()


def _root(repository: Path) -> Path:
    from pipeline.operations.place import root_of

    return root_of(repository) or repository


def _entries(repository: Path, name: str) -> Sequence[Quarantine]:
    from pipeline.operations.quarantining import entries_of

    return entries_of(_root(repository) / name, name=name)
