"""What a repository's history says: which commit comes from which, and which paths differ between two states."""

from __future__ import annotations

import re
import subprocess
from functools import cached_property
from pathlib import Path

from pipeline.model.source import Source
from pipeline.operations.source import git_environment, quiet_environment

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DEFAULTS = ("refs/remotes/origin/main", "refs/remotes/origin/master", "refs/heads/main", "refs/heads/master")


class GitHistory:
    """The history behind one source; every question is asked of git at most once, and only when somebody asks."""

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._dirty = source.commit.dirty and not source.revision
        self.head = source.commit.sha
        self._paths: dict[str, tuple[str, ...] | None] = {}
        self._ancestors: dict[str, bool] = {}
        self._merge_bases: dict[str, str] = {}

    @cached_property
    def shallow(self) -> bool:
        """Whether the history was cut off when it was cloned."""
        return self._line("rev-parse", "--is-shallow-repository") == "true"

    @cached_property
    def default_branch(self) -> tuple[str, str]:
        """The ref of the default branch and its short name; empty where nothing looks like one."""
        names = ("refs/remotes/origin/HEAD", *_DEFAULTS)
        listed = self._line("for-each-ref", "--format=%(refname)%09%(symref)", *names).splitlines()
        refs = dict(line.partition("\t")[::2] for line in listed)
        head = refs.pop("refs/remotes/origin/HEAD", "")
        ref = head or next((name for name in _DEFAULTS if name in refs), "")
        return ref, ref.removeprefix("refs/remotes/origin/").removeprefix("refs/heads/")

    @cached_property
    def only_branch(self) -> tuple[str, str]:
        """The ref and the name of the one local branch of a repository without a remote; empty where there are more."""
        if self._line("remote"):
            return "", ""
        refs = self._line("for-each-ref", "--count=2", "--format=%(refname)", "refs/heads/").splitlines()
        return (refs[0], refs[0].removeprefix("refs/heads/")) if len(refs) == 1 else ("", "")

    def ref_of(self, branch: str) -> str:
        """The ref of a branch: the remote's, else the local one; "" where neither is here."""
        names = (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}")
        listed = self._line("for-each-ref", "--format=%(refname)", *names).splitlines()
        return next((name for name in names if name in listed), "")

    def is_ancestor(self, commit: str) -> bool:
        """Whether the head comes from that commit, or is it; no for what is not here."""
        if not _COMMIT.fullmatch(commit):
            return False
        if commit not in self._ancestors:
            answer = self._run("merge-base", "--is-ancestor", commit, self.head)
            self._ancestors[commit] = commit == self.head or answer.returncode == 0
        return self._ancestors[commit]

    def merge_base(self, ref: str) -> str:
        """The commit from which the head and a ref or a commit went apart; "" where it is not here."""
        if not (ref.startswith("refs/") or _COMMIT.fullmatch(ref)):
            return ""
        if ref not in self._merge_bases:
            self._merge_bases[ref] = self._line("merge-base", ref, self.head)
        return self._merge_bases[ref]

    @cached_property
    def parent(self) -> str:
        """The commit before; of a merge the one that was merged into. "" for a first one, and where it is not here."""
        return self._line("rev-parse", "--verify", "-q", f"{self.head}^1")

    @cached_property
    def has_parents(self) -> bool:
        """Whether the head names a commit before it, be it here or not."""
        header = self._line("cat-file", "commit", self.head).partition("\n\n")[0]
        return any(line.startswith("parent ") for line in header.splitlines())

    @cached_property
    def previous_tag(self) -> str:
        """The nearest tag behind the head's own; "" where there is none."""
        if not self.parent:
            return ""
        return self._line("describe", "--tags", "--abbrev=0", self.parent)

    def commit_of(self, ref: str) -> str:
        """The commit that a ref means."""
        return self._line("rev-parse", "--verify", "-q", f"{ref}^{{commit}}")

    def paths_since(self, base: str) -> tuple[str, ...] | None:
        """Paths that differ between a commit ("" = nothing at all) and the source, uncommitted changes included.

        A renamed file counts with both names, a submodule as one path. None when git cannot tell.
        """
        if base not in self._paths:
            self._paths[base] = self._differing(base)
        return self._paths[base]

    def _differing(self, base: str) -> tuple[str, ...] | None:
        quiet = ("--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=none")
        if not base:
            listed = self._run("ls-tree", "-r", "-z", "--name-only", "--full-tree", self.head)
        elif self._dirty:
            listed = self._run("diff", *quiet, base, "--", environment=quiet_environment(Path(self._path)))
        else:
            listed = self._run("diff", *quiet, base, self.head, "--")
        if listed.returncode:
            return None
        found = set(listed.stdout.split(b"\0"))
        if self._dirty:
            found |= set(self._run("ls-files", "-o", "--exclude-standard", "-z").stdout.split(b"\0"))
        return tuple(sorted(path.decode(errors="replace").rstrip("/") for path in found if path))

    def _line(self, *arguments: str) -> str:
        answer = self._run(*arguments)
        return answer.stdout.decode(errors="replace").strip() if answer.returncode == 0 else ""

    def _run(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ("git", "-C", self._path, *arguments),
            env=environment or git_environment(),
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
