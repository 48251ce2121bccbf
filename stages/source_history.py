"""A `.git` for the workspace: the last commits and their tags, with an index that makes `git status` right."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.ports.stage import StageContext
from stages.source_archive import Entry
from stages.source_git import PROTOCOLS, git
from stages.source_mirror import mirror


@contextmanager
def history(context: StageContext, depth: int) -> Iterator[tuple[Entry, ...]]:
    """The files of a repository named `.git` with `depth` commits (0: all of them) up to the run's.

    Tags of these commits come along, the branch of the run is checked out, `origin` has its address. No hooks, no
    submodule repositories.
    """
    source = context.source
    sha = source.commit.sha
    branch = _branch(context)
    with tempfile.TemporaryDirectory(prefix="ecluse-history-") as scratch:
        folder = Path(scratch, ".git")
        origin = mirror(context, source.path or source.origin, sha, tags=True)

        def run(*arguments: str) -> None:
            git(folder, *arguments, cancel=context.cancel, variables={"GIT_ALLOW_PROTOCOL": f"file:{PROTOCOLS}"})

        run("init", "-q", "--bare", "--template=", str(folder))
        tags = () if depth else ("+refs/tags/*:refs/tags/*",)
        limit = (f"--depth={depth}",) if depth else ()
        tracking = f"+{sha}:refs/remotes/origin/{branch or 'HEAD'}"
        run("-c", "gc.auto=0", "fetch", "-q", "--no-write-fetch-head", *limit, str(origin), tracking, *tags)
        if branch:
            run("update-ref", f"refs/heads/{branch}", sha)
            run("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        else:
            run("update-ref", "--no-deref", "HEAD", sha)
        run("read-tree", sha)
        run("config", "core.bare", "false")
        if source.origin:
            run("config", "remote.origin.url", source.origin)
            run("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        files = (place for place in folder.rglob("*") if place.is_file())
        yield tuple(Entry(name=f".git/{place.relative_to(folder)}", place=place) for place in files)


def _branch(context: StageContext) -> str:
    branch = context.facts().get("branch")
    safe = isinstance(branch, str) and re.fullmatch(r"[\w][\w./+#@-]*", branch) and ".." not in branch
    return str(branch) if safe and not str(branch).endswith((".lock", "/", ".")) else ""
