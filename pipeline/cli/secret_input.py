"""Secret words for the command: typed unseen, or from standard input; never an argument, which others can read."""

from __future__ import annotations

import sys

import click

from pipeline.errors import UsageError

_LARGEST = 1024 * 1024


def asked_secret(what: str, *, again: bool = False) -> str:
    """What is typed at the prompt, or all of standard input without its last line end."""
    if sys.stdin.isatty():
        typed: str = click.prompt(what, hide_input=True, confirmation_prompt=again, err=True)
        return typed
    content = sys.stdin.buffer.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UsageError(f"{what}: standard input is larger than {_LARGEST // 1024} KiB", hint="is it the right file?")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{what}: standard input is no UTF-8 text", hint="encode it, for example with base64"
        ) from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError(f"{what}: standard input is empty", hint="pipe it in, or call this at a terminal")
    return text
