"""`ecluse check`: every problem of the pipeline file, in one pass."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import application, file_option, repository_option, show, show_json
from pipeline.cli.render.diagnostics import diagnostic_lines, verdict
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.words import count, shape, short
from pipeline.errors import ExitCode
from pipeline.model.value import to_value

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.operations.check import Checked, CheckedPolicy

FORMATS = ("text", "json", "sarif", "github", "gitlab")


@click.command()
@repository_option
@file_option
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to print the problems: for people, for programs (json, SARIF 2.1.0), as annotations of a GitHub job, or "
    "as a code quality report of GitLab.",
)
@click.option(
    "--lock",
    is_flag=True,
    help="Look up anew what branches and tags of 'include' mean, and pin that in the lock file (pipeline.lock).",
)
@click.option(
    "--policy",
    default="",
    metavar="FILE",
    help="Check the operations' policy file instead: a path, or git+URL#FILE@REF.",
)
def check(repository: Path, file: str, form: str, lock: bool, policy: str) -> int:
    """Check the pipeline file of the working tree, with what it includes, and show every problem."""
    if policy:
        return _policy(policy, form)
    from pipeline.operations.check import check as examine
    from pipeline.operations.place import root_of

    checked = examine(application(), root_of(repository) or repository, file=file, lock=lock)
    if form == "json":
        show_json({"file": file, "errors": checked.errors, "diagnostics": to_value(checked.diagnostics)})
    elif form == "text":
        show(_lines(checked))
    else:
        from pipeline.cli.render.problems import WRITERS

        sys.stdout.write(WRITERS[form](checked.diagnostics))
    return ExitCode.USAGE if checked.errors else ExitCode.SUCCEEDED


def _policy(place: str, form: str) -> int:
    from pipeline.operations.check import check_policy

    checked = check_policy(application(), place)
    if form == "json":
        diagnostics = to_value(checked.diagnostics)
        revision = checked.policy.revision if checked.policy else ""
        show_json({"file": checked.file, "errors": checked.errors, "diagnostics": diagnostics, "revision": revision})
    elif form == "text":
        show(_policy_lines(checked))
    else:
        from pipeline.cli.render.problems import WRITERS

        sys.stdout.write(WRITERS[form](checked.diagnostics))
    return ExitCode.USAGE if checked.errors else ExitCode.SUCCEEDED


def _policy_lines(checked: CheckedPolicy) -> list[Line]:
    lines = diagnostic_lines(checked.diagnostics, checked.sources)
    policy = checked.policy
    if policy is None:
        return [*lines, line((verdict(checked.diagnostics), "bold"))]
    people = "1 person" if len(policy.people) == 1 else f"{len(policy.people)} people"
    counted = [people, count(len(policy.groups), "group")]
    if policy.environments is not None:
        counted.append(count(len(policy.environments), "environment"))
    words = f" {checked.file} is right: {', '.join(counted)}"
    return [*lines, line(shape("succeeded"), words, (f", revision {short(policy.revision)}", "dim"))]


def _lines(checked: Checked) -> list[Line]:
    lines = diagnostic_lines(checked.diagnostics, checked.sources)
    said = verdict(checked.diagnostics)
    if checked.definition is None:
        return [*lines, line((said, "bold"))]
    for pin in checked.pins:
        lines.append(line((f"{pin.git} {pin.ref}:{pin.file}", "bold"), f" is pinned at {short(pin.commit)}"))
    counted = [count(len(checked.definition.stages), "stage")]
    if len(checked.sources) > 1:
        counted.append(count(len(checked.sources) - 1, "included file"))
    more = (f", {said}", "warned") if said else ""
    words = f" {checked.file} is right: {checked.definition.name}, {', '.join(counted)}"
    return [*lines, line(shape("succeeded"), words, more)]
