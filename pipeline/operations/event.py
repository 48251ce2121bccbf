"""What a run on this machine is for: the CI host's own variables tell, else the repository's HEAD does."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.hosts import job_of
from pipeline.model.job import Job
from pipeline.model.source import Event, Source
from pipeline.model.trust import Trust
from pipeline.operations.source import git_environment
from pipeline.settings import Settings


def guess_event(source: Source, environment: Mapping[str, str], settings: Settings) -> Event:
    """The event of a run that a command starts: kind, branch, tag, actor, and how far the run is trusted.

    Within a job of a CI host it is that job's event; elsewhere it is `manual`, on the branch that is checked out or
    that the revision names, or on the tag of the commit, and of the trust of a branch.
    """
    job = job_of(environment)
    if job is None:
        branch, tag = _head(source)
        return Event(kind="manual", branch=branch, tag=tag, actor=actor_of(environment))
    event = job.event
    if not event.branch and not event.tag:
        branch, tag = _head(source)
        event = replace(event, branch=branch, tag=tag)
    return replace(event, trust=trust_of(replace(job, event=event), source, settings))


def actor_of(environment: Mapping[str, str]) -> str:
    """The person at this machine."""
    return environment.get("ECLUSE_ACTOR") or _user()


def trust_of(job: Job, source: Source, settings: Settings) -> Trust:
    """How far a run in this job is trusted.

    Protected are only a protected branch's or tag's own commit without changes. Where the commit is not the job's, the
    host's word does not hold for it; then a job that anybody can start is not trusted at all.
    """
    own = not source.revision if not job.sha else job.sha == source.commit.sha
    if job.foreign or (job.anybody and not own):
        return Trust.UNTRUSTED
    if not own or source.commit.dirty or job.event.kind == "pull_request":
        return Trust.BRANCH
    protected = job.protected
    if protected is None:
        protected = _matches(job.event.branch, settings.protected_branches)
        protected = protected or _matches(job.event.tag, settings.protected_tags)
    return Trust.PROTECTED if protected else Trust.BRANCH


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return bool(name) and any(fnmatchcase(name, pattern) for pattern in patterns)


def _head(source: Source) -> tuple[str, str]:
    if not source.revision:
        branch = _checked_out(Path(source.path) / ".git") or "".join(
            _ask(source.path, "symbolic-ref", "-q", "--short", "HEAD")
        )
        if branch:
            return branch, ""
    else:
        named = _ask(source.path, "rev-parse", "--symbolic-full-name", "--end-of-options", source.revision)
        for name in named:
            for start, place in (("refs/heads/", 0), ("refs/remotes/origin/", 0), ("refs/tags/", 1)):
                if name.startswith(start):
                    short = name.removeprefix(start)
                    return ("", short) if place else (short, "")
    tags = _ask(source.path, "tag", "--points-at", source.commit.sha)
    return "", tags[0] if tags else ""


def _checked_out(folder: Path) -> str:
    """The branch as git's own file names it, which costs no process; "" where git has to be asked (a detached head,
    a worktree of another repository, references kept elsewhere)."""
    start = "ref: refs/heads/"
    try:
        head = (folder / "HEAD").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return head.removeprefix(start) if head.startswith(start) and head != start + ".invalid" else ""


def _ask(path: str, *arguments: str) -> list[str]:
    answer = subprocess.run(
        ("git", "-C", path, *arguments),
        env=git_environment(),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return answer.stdout.decode(errors="replace").split() if answer.returncode == 0 else []


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
