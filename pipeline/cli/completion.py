"""`ecluse completion`: the script that makes a shell complete this command."""

from __future__ import annotations

import sys

import click

from pipeline.errors import UsageError

_HOW = {
    "bash": 'eval "$(ecluse completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(ecluse completion zsh)"    # in ~/.zshrc, behind compinit',
    "fish": "ecluse completion fish | source     # in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\n" + "\n".join(_HOW.values()))
@click.argument("shell", type=click.Choice(list(_HOW)))
def completion(shell: str) -> None:
    """Print the completion script of SHELL."""
    from click.shell_completion import get_completion_class

    from pipeline.cli.commands import ecluse

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for '{shell}'", hint="choose bash, zsh or fish")
    script = kind(ecluse, {}, "ecluse", "_ECLUSE_COMPLETE")
    sys.stdout.write(script.source_template % script.source_vars() + "\n")
