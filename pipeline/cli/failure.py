"""How an error is told: what happened and what to do next, on the error stream, and the status it ends with."""

from __future__ import annotations

import errno
import os
import sys

from pipeline.cli.render.lines import Line, line, written
from pipeline.cli.render.terminal import terminal_of
from pipeline.errors import DefinitionError, EcluseError, ExitCode


def told(error: BaseException) -> int:
    """Print `error` for a person and return the exit status."""
    import click

    match error:
        case DefinitionError():
            from pipeline.cli.render.diagnostics import diagnostic_lines, verdict

            if not error.diagnostics:
                _print(_lines(error.message) + _hint(error.hint))
                return error.exit_code
            _print(diagnostic_lines(error.diagnostics, error.sources))
            _print([line((f"{verdict(error.diagnostics)}. Nothing was run.", "bold"))])
            return error.exit_code
        case EcluseError():
            _print(_lines(error.message) + _hint(error.hint))
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            sys.stderr.write(error.format_message() + "\n")
            return ExitCode.USAGE
        case click.UsageError():
            where = error.ctx.command_path if error.ctx else "ecluse"
            _print(_lines(error.format_message().replace("\n\t", " ")) + _hint(f"see '{where} --help'"))
            return ExitCode.USAGE
        case click.ClickException():
            _print(_lines(error.format_message()))
            return ExitCode.USAGE
        case KeyboardInterrupt() | click.Abort():
            _print([line(("interrupted", "warned"))])
            return ExitCode.CANCELLED
        case OSError(errno=errno.ENOSPC):
            _print(_lines(_full(error)) + _hint("free some and try again; nothing that was recorded is lost"))
            return ExitCode.ERRORED
        case SystemExit():
            return error.code if isinstance(error.code, int) else ExitCode.ERRORED
        case _:
            return _defect(error)


def _full(error: OSError) -> str:
    return f"no space left to write {error.filename or 'the output'}"


def _defect(error: BaseException) -> int:
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    _print(
        [
            line(("error: ", "failed"), f"this is a defect in Écluse ({what})"),
            line(("  run again with --debug and report what it prints", "dim")),
        ]
    )
    return ExitCode.ERRORED


def _lines(message: str) -> list[Line]:
    first, *rest = message.splitlines() or [""]
    return [line(("error: ", "failed"), first), *(line("  " + text) for text in rest)]


def _hint(hint: str) -> list[Line]:
    return [line((f"  {text}", "dim")) for text in hint.splitlines()]


def _print(lines: list[Line]) -> None:
    terminal = terminal_of(sys.stderr, os.environ)
    try:
        sys.stdout.flush()
        sys.stderr.write(written(lines, terminal))
    except OSError:
        return  # nobody reads; the exit status still tells
