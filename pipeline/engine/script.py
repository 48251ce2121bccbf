"""The shell script that runs a stage's commands, with a header line before each."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from pipeline.model.container import UNFED

DEFAULT_SHELL = ("sh", "-e", "-c")
_HEADER = r"\033[1;36m$ %s\033[0m\n"
"""As printf takes it."""

COMPLETE = "# complete"
"""The last line of what arrives on standard input: without it, whoever sent it was cut off."""

_PRELUDE = f"""\
ecluse_secrets=$(cat)
case "$ecluse_secrets" in *'{COMPLETE}') ;; *) exit {UNFED} ;; esac
eval "$ecluse_secrets"
unset ecluse_secrets
exec </dev/null"""
_ONE_STREAM = "exec 2>&1"


def header(command: str) -> str:
    """What the log shows before a command: its first line, with a mark where more follow."""
    first, _, rest = command.strip().partition("\n")
    return f"{first} …" if rest.strip() else first


def header_line(command: str) -> bytes:
    """What a script of `compose` prints before this command."""
    return _HEADER.encode().decode("unicode_escape").replace("%s", header(command)).encode()


def compose(commands: Sequence[str], *, secrets: bool) -> str:
    """One script of all commands. With `secrets` it first reads their exports from standard input to its end.

    Where the end mark is missing there, no command runs and nothing is printed: it exits with UNFED.
    Standard output and standard error are one stream, so that what a command prints stands below its header, and an
    error where it came up: an engine that carries two does not know their order.
    """
    lines = [_PRELUDE, _ONE_STREAM] if secrets else [_ONE_STREAM]
    for command in commands:
        lines.append(f"printf '{_HEADER}' {shlex.quote(header(command))}")
        lines.append(command.rstrip("\n"))
    return "\n".join(lines) + "\n"


def exports(secrets: Mapping[str, str]) -> bytes:
    """What the script reads to have the secrets in its environment."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in secrets.items()]
    return "\n".join([*lines, COMPLETE, ""]).encode()


def shell_command(shell: Sequence[str] | None, script: str) -> tuple[str, ...]:
    """The argument list that runs a script in `shell` (default `sh -e -c`)."""
    return (*(shell or DEFAULT_SHELL), script)
