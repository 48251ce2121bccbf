"""The files of a source with their digests, as git lists them: no content of a committed file is read."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.model.source import Source
from pipeline.model.tree import Tree, TreeFile
from pipeline.operations.source import git_environment, quiet_environment


def source_tree(source: Source) -> Tree:
    """The files that stages of this source see; listed when somebody first asks.

    A file with uncommitted changes has the digest that git would give its bytes.
    """
    dirty = source.commit.dirty and not source.revision
    return Tree(lambda: _working(source) if dirty else _committed(source))


def _committed(source: Source) -> Iterator[TreeFile]:
    for entry in _git(source, "ls-tree", "-r", "-z", "--full-tree", source.commit.sha).split(b"\0"):
        if entry:
            head, _, path = entry.partition(b"\t")
            mode, _, blob = head.split()
            yield TreeFile(path.decode(errors="surrogateescape"), blob.decode(), mode.decode())


def _working(source: Source) -> Iterator[TreeFile]:
    root = Path(source.path)
    status = ("status", "--porcelain", "-z", "-uall", "--no-renames", "--ignore-submodules=none")
    listed = _git(source, *status, environment=quiet_environment(root))
    changed = {entry[3:] for entry in listed.split(b"\0") if entry}
    for entry in _git(source, "ls-files", "-s", "-z").split(b"\0"):
        head, _, path = entry.partition(b"\t")
        if entry and path not in changed:
            mode, blob, _ = head.split()
            yield TreeFile(path.decode(errors="surrogateescape"), blob.decode(), mode.decode())
    for path in changed:
        file = _file(root, os.fsdecode(path), sha256=len(source.commit.sha) == 64)
        if file is not None:
            yield file


def _file(root: Path, path: str, *, sha256: bool) -> TreeFile | None:
    """A file of the working tree; None for what is gone. A folder is a submodule, known by its place alone."""
    place = root / path
    try:
        state = place.lstat()
        if stat.S_ISDIR(state.st_mode):
            return TreeFile(path.rstrip("/"), f"changed at {state.st_mtime_ns}", "160000")
        if stat.S_ISLNK(state.st_mode):
            content, mode = os.fsencode(place.readlink()), "120000"
        elif stat.S_ISREG(state.st_mode):
            content, mode = place.read_bytes(), "100755" if state.st_mode & 0o100 else "100644"
        else:
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"cannot read {place}: {error.strerror}", hint="check its permissions") from error
    digest = hashlib.sha256() if sha256 else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content) + content)
    return TreeFile(path, digest.hexdigest(), mode)


def _git(source: Source, *arguments: str, environment: dict[str, str] | None = None) -> bytes:
    answer = subprocess.run(
        ("git", "-C", source.path, *arguments),
        env=environment or git_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if answer.returncode:
        words = answer.stderr.decode(errors="replace").strip().splitlines() or ["git said nothing"]
        raise SourceError(f"cannot list the files of {source.path}: {words[-1]}", hint="run `git status` there")
    return answer.stdout
