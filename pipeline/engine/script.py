"""The shell script that runs a stage's commands, with a header line before each."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

DEFAULT_SHELL = ("sh", "-e", "-c")


def header(command: str) -> str:
    """What the log shows before a command: its first line, with a mark where more follow."""
    first, _, rest = command.strip().partition("\n")
    return f"{first} …" if rest.strip() else first


def compose(commands: Sequence[str], *, secrets: bool) -> str:
    """One script of all commands. With `secrets` it first reads their exports from standard input to its end.

    The headers go to standard output, so they stand in order with what the command prints there.
    """
    lines = ['eval "$(cat)"', "exec </dev/null"] if secrets else []
    for command in commands:
        lines.append(f"printf '\\033[1;36m$ %s\\033[0m\\n' {shlex.quote(header(command))}")
        lines.append(command.rstrip("\n"))
    return "\n".join(lines) + "\n"


def exports(secrets: Mapping[str, str]) -> bytes:
    """What the script reads to have the secrets in its environment."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in secrets.items()).encode()


def shell_command(shell: Sequence[str] | None, script: str) -> tuple[str, ...]:
    """The argument list that runs a script in `shell` (default `sh -e -c`)."""
    return (*(shell or DEFAULT_SHELL), script)
