"""`ecluse doctor`: what this machine has, lacks, and how to mend it."""

from __future__ import annotations

import sys

import click

from pipeline.cli.options import application, json_option, output, show, show_json
from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, line
from pipeline.cli.render.words import count, shape
from pipeline.errors import ExitCode
from pipeline.model.value import to_value
from pipeline.operations.doctor import Finding, Health

_LOOKS = {Health.FINE: "succeeded", Health.WARNED: "warned", Health.FAILED: "failed"}


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Examine this machine: engine, disk, registry logins, git, permissions; each with a remedy.

    Ends with 3 if something that is needed is missing.
    """
    from pipeline.operations.doctor import examine

    live = output().live and not as_json
    found: list[Finding] = []
    for finding in examine(application(), progress=lambda what: _progress(what) if live else None):
        found.append(finding)
        if not as_json:
            sys.stdout.write("\r\x1b[2K" if live else "")
            show(_lines(finding))
            sys.stdout.flush()
    failed = sum(finding.health is Health.FAILED for finding in found)
    if as_json:
        show_json({"healthy": not failed, "findings": to_value(found)})
    else:
        sys.stdout.write("\r\x1b[2K" if live else "")
        word = line((f"{count(failed, 'thing')} to mend", "failed")) if failed else line(("ready to run", "succeeded"))
        show([line(), word])
    return ExitCode.ERRORED if failed else ExitCode.SUCCEEDED


def _progress(what: str) -> None:
    sys.stdout.write(f"\r\x1b[2K\x1b[2m{what} …\x1b[0m")
    sys.stdout.flush()


def _lines(finding: Finding) -> list[Line]:
    look = _LOOKS[finding.health]
    lines = [line(shape(look), " ", (finding.name, "bold"), f": {one_line(finding.detail)}")]
    return [*lines, *(line(f"    {one_line(text)}") for text in finding.remedy.splitlines())]
