"""The `post-receive` script that tells the server of pushes to a bare repository."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pipeline.errors import UsageError

MARK = "Made by `ecluse hook install`"
SECRET_FILE = "ecluse.secret"  # noqa: S105  # a file's name
PAUSES = (5, 15, 30, 60, 120, 180, 190)
"""Seconds before each try behind the push."""
LONGEST = 64
"""Characters of a secret that the shell makes an HMAC with."""


def install(repository: Path, *, hook_url: str, secret: str) -> Path:
    """Write script and secret into a repository's hooks; the script's path. Writing again replaces what we wrote.

    UsageError where it is no repository, another script is there, or the files cannot be written.
    """
    hooks = _git_folder(repository) / "hooks"
    script, file = hooks / "post-receive", hooks / SECRET_FILE
    if len(secret) > LONGEST:
        raise UsageError(
            f"the secret has more than {LONGEST} characters, which the script cannot sign with",
            hint="make one with `ecluse repository set NAME --new-secret`",
        )
    try:
        if script.exists() and MARK not in script.read_text("utf-8", errors="replace"):
            raise UsageError(
                f"{script} is there already and not ours",
                hint="move it aside, install, and let one script call both with the same standard input",
            )
        hooks.mkdir(exist_ok=True)
        _write(file, secret + "\n", 0o600)
        _write(script, script_of(hook_url, file), 0o755)
    except OSError as error:
        raise UsageError(
            f"cannot write {error.filename or hooks}: {error.strerror}",
            hint="call it as the user to whom the repository belongs",
        ) from error
    return script


def script_of(hook_url: str, secret: Path, *, pauses: tuple[float, ...] = PAUSES) -> str:
    """The script for one repository; address and path are quoted for the shell."""
    text = (Path(__file__).parent / "scripts" / "post-receive.sh").read_text("utf-8")
    filled = {
        "@URL@": shlex.quote(hook_url),
        "@SECRET@": shlex.quote(str(secret)),
        "@PAUSES@": " ".join(str(pause) for pause in pauses),
    }
    for name, value in filled.items():
        text = text.replace(name, value, 1)
    return text


def _git_folder(repository: Path) -> Path:
    for folder in (repository, repository / ".git"):
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            return folder.resolve()
    raise UsageError(f"{repository} is no git repository", hint="name the bare repository to which people push")


def _write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all; nobody else can read it in between."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    draft.replace(path)
