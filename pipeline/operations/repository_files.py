"""One file of a repository by its path: from the working tree or from a commit, and never from outside of it."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.operations.source import git_environment


def safe_path(path: str) -> str:
    """The path as git writes it. UsageError for one that leaves the repository or looks into git's own folder."""
    if path.startswith("/") or "\\" in path or not path.isprintable():
        raise UsageError(f"'{path}' is not a path below the repository's root", hint="write it like ci/common.yml")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UsageError(f"'{path}' leaves the repository", hint="paths begin at the repository's root")
    if not parts or path.endswith("/") or any(part.lower() == ".git" for part in parts):
        raise UsageError(f"'{path}' cannot be included", hint="name a file of the repository")
    return "/".join(parts)


def file_of_tree(root: Path, path: str, *, limit: int) -> bytes:
    """The content of a file of the working tree; symbolic links are not followed, neither by it nor on the way."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    *folders, name = path.split("/")
    try:
        for part in folders:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = deeper
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        raise _not_read(root, path, error) from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise UsageError(f"{path} is not a file", hint="name a file that can be read")
    with os.fdopen(file, "rb") as opened:
        return _within(opened.read(limit + 1), path, limit)


def file_of_commit(repository: Path, commit: str, path: str, *, limit: int) -> bytes | None:
    """The content of a file at a commit, None where that has none; UsageError for a symbolic link or a folder."""
    listed = _git(repository, "ls-tree", "-z", "-l", "--full-tree", commit, "--", f":(literal){path}")
    if not listed:
        return None
    mode, kind, blob, size = listed.split(b"\t", 1)[0].split()
    if kind != b"blob" or mode == b"120000":
        what = "a symbolic link" if mode == b"120000" else "not a file"
        raise UsageError(f"{path} is {what}", hint="name the file itself")
    if int(size) > limit:
        raise _too_long(path, limit)
    return _git(repository, "cat-file", "blob", blob.decode())


def _within(content: bytes, path: str, limit: int) -> bytes:
    if len(content) > limit:
        raise _too_long(path, limit)
    return content


def _too_long(path: str, limit: int) -> UsageError:
    return UsageError(f"{path} is larger than {limit // 1024} KiB", hint="a pipeline file is small: split it")


def _not_read(root: Path, path: str, error: OSError) -> UsageError:
    place = root
    for part in path.split("/"):
        place = place / part
        if place.is_symlink():
            name = place.relative_to(root)
            return UsageError(f"{name} is a symbolic link, which is not followed", hint="name the file itself")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UsageError(f"there is no {path}", hint="paths begin at the repository's root")
    return UsageError(f"cannot read {path}: {error.strerror}", hint="check its permissions")


def _git(repository: Path, *arguments: str) -> bytes | None:
    answer = subprocess.run(
        ("git", "-C", repository, *arguments),
        env=git_environment(),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return answer.stdout if answer.returncode == 0 else None
