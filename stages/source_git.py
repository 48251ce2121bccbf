"""Git through GitPython for what is more than a listing: it can be cancelled, and its refusals become our errors."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import DiskFullError, SourceError, SourceUnreachableError
from pipeline.ports.cancellation import Cancellation

PROTOCOLS = "git:http:https:ssh"
"""Transports that an address from a repository may name; `ext::` and the like would run a program of its choosing."""

_UNREACHABLE = re.compile(
    r"could not resolve host|connection (?:refused|timed out|reset)|unable to access .*(?:5\d\d|timed out)|"
    r"network is unreachable|operation timed out|early eof|remote end hung up|temporary failure",
    re.IGNORECASE,
)


def git(folder: Path, *arguments: str, cancel: Cancellation, variables: Mapping[str, str] | None = None) -> bytes:
    """Run git on the bare repository `folder`; its standard output.

    Neither hooks nor a file monitor run, nobody is asked for a password. Raises SourceError with git's own words,
    SourceUnreachableError where a server does not answer, DiskFullError, CancelledError.
    """
    try:
        from git.cmd import Git
    except ImportError as error:
        raise SourceError(
            "the git command is not installed", hint="install git 2.32 or newer and put it on the PATH"
        ) from error

    folder.mkdir(parents=True, exist_ok=True)
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", *arguments]
    environment = {**_variables(folder), **(variables or {})}
    running = Git(str(folder)).execute(command, as_process=True, env=environment)
    with cancel.calling(running.terminate):
        out, err = running.communicate()
    if running.returncode == 0:
        return bytes(out)
    cancel.check()
    raise _refusal(err.decode(errors="replace"))


def reset(folder: Path) -> None:
    """Throw away a cache that git cannot use any more."""
    shutil.rmtree(folder, ignore_errors=True)


def _variables(folder: Path) -> dict[str, str]:
    ask_nobody = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true"}
    ssh = os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH", "ssh") + " -oBatchMode=yes"
    return ask_nobody | {
        "LC_ALL": "C",
        "GIT_SSH_COMMAND": ssh,
        "GIT_DIR": str(folder),
        "GIT_COMMON_DIR": str(folder),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_PREFIX": "",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
    }


def _refusal(words: str) -> SourceError | DiskFullError:
    lines = [line for line in words.splitlines() if line.strip() and not line.startswith(("warning:", "hint:"))]
    said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "no reason")
    said = said.removeprefix("fatal: ").removeprefix("error: ")
    if "no space left on device" in words.lower():
        return DiskFullError(f"git: {said}", hint="free space where ECLUSE_HOME and the temporary folder lie")
    if "dubious ownership" in words:
        place = re.search(r"safe\.directory (\S.*)", words)
        return SourceError(
            "git does not trust the repository: it belongs to another user",
            hint=f"if you trust it: git config --global --add safe.directory {place[1] if place else 'PATH'}",
        )
    if _UNREACHABLE.search(words):
        return SourceUnreachableError(f"git: {said}", hint="check the network and the server, then run again")
    return SourceError(f"git: {said}", hint="try the same by hand with `git fetch`")
