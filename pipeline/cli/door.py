"""The door of the command `ecluse`: one place that lets errors become words and exit codes."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

READER_GONE = 141
"""The status that a shell gives to a command that SIGPIPE ended."""


def main() -> NoReturn:
    """Run the command line of this process and end it with the status; the table is in `--help`.

    The process ends at once: taking the interpreter apart would cost as much as a third of starting a container, and
    everything that has to be closed, written or removed is by then.
    """
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(errors="replace")  # names of files may be no text, and end no command
    status = answer(sys.argv[1:])
    _let_go_of_output()
    sys.stderr.flush()
    os._exit(status)


def answer(arguments: list[str]) -> int:
    """Run a command line and return its exit status."""
    if arguments == ["--version"]:
        from pipeline import __version__

        sys.stdout.write(f"ecluse {__version__}\n")
        return 0
    debug = "--debug" in arguments
    try:
        return _dispatch([word for word in arguments if word != "--debug"])
    except BaseException as error:  # noqa: BLE001  # the one place where every error ends
        if debug:
            import traceback

            traceback.print_exc()
        from pipeline.cli.failure import told

        status = told(error)
        _let_go_of_output()
        return status


def _dispatch(arguments: list[str]) -> int:
    import gc

    # Importing and reading make few cycles: looking for them as often as the default would take a tenth of the start.
    gc.set_threshold(100_000, 50, 100)
    from pipeline.cli.quick_dataclasses import compile_later

    compile_later()
    from pipeline.cli.commands import ReaderGoneError, ecluse

    try:
        status = ecluse.main(arguments, prog_name="ecluse", standalone_mode=False)
        sys.stdout.flush()
    except (ReaderGoneError, BrokenPipeError):
        _let_go_of_output()
        return READER_GONE
    return int(status or 0)


def _let_go_of_output() -> None:
    """Where standard output cannot take what is left for it, drop that, so that the interpreter ends quietly."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
