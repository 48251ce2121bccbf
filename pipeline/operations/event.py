"""What a run on this machine is for: the CI host's own variables tell, else the repository's HEAD does."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Mapping

from pipeline.model.source import Event, Source
from pipeline.operations.source import git_environment


def guess_event(source: Source, environment: Mapping[str, str]) -> Event:
    """The event of a run that a command starts: kind, branch, tag and actor.

    Within a job of GitHub, Gitea/Forgejo, GitLab, Jenkins or Woodpecker it is that job's event; elsewhere it is
    `manual`, on the branch that is checked out or that the revision names, or on the tag of the commit.
    """
    for guess in (_github, _gitlab, _woodpecker, _jenkins):
        event = guess(environment)
        if event is not None:
            return event
    branch, tag = _head(source)
    return Event(kind="manual", branch=branch, tag=tag, actor=environment.get("ECLUSE_ACTOR") or _user())


def _github(variables: Mapping[str, str]) -> Event | None:
    if variables.get("GITHUB_ACTIONS") != "true":
        return None
    name = variables.get("GITHUB_REF_NAME", "")
    tagged = variables.get("GITHUB_REF_TYPE") == "tag"
    kinds = {"pull_request_target": "pull_request", "workflow_dispatch": "manual"}
    kind = variables.get("GITHUB_EVENT_NAME", "push")
    return Event(
        kind=kinds.get(kind, kind) if kinds.get(kind, kind) in _KINDS else "manual",
        branch="" if tagged else variables.get("GITHUB_HEAD_REF") or name,
        tag=name if tagged else "",
        actor=variables.get("GITHUB_ACTOR", ""),
    )


def _gitlab(variables: Mapping[str, str]) -> Event | None:
    if variables.get("GITLAB_CI") != "true":
        return None
    kinds = {"push": "push", "merge_request_event": "pull_request", "schedule": "schedule"}
    branch = variables.get("CI_COMMIT_BRANCH") or variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "")
    return Event(
        kind=kinds.get(variables.get("CI_PIPELINE_SOURCE", ""), "manual"),
        branch=branch,
        tag=variables.get("CI_COMMIT_TAG", ""),
        actor=variables.get("GITLAB_USER_LOGIN", ""),
    )


def _woodpecker(variables: Mapping[str, str]) -> Event | None:
    if variables.get("CI") != "woodpecker":
        return None
    kinds = {"push": "push", "tag": "push", "pull_request": "pull_request", "cron": "schedule"}
    return Event(
        kind=kinds.get(variables.get("CI_PIPELINE_EVENT", ""), "manual"),
        branch=variables.get("CI_COMMIT_SOURCE_BRANCH") or variables.get("CI_COMMIT_BRANCH", ""),
        tag=variables.get("CI_COMMIT_TAG", ""),
        actor=variables.get("CI_COMMIT_AUTHOR", ""),
    )


def _jenkins(variables: Mapping[str, str]) -> Event | None:
    if not variables.get("JENKINS_URL") or not variables.get("BRANCH_NAME"):
        return None
    tag = variables.get("TAG_NAME", "")
    change = variables.get("CHANGE_ID")
    return Event(
        kind="pull_request" if change else "push",
        branch="" if tag else variables.get("CHANGE_BRANCH") or variables["BRANCH_NAME"],
        tag=tag,
        actor=variables.get("CHANGE_AUTHOR", ""),
    )


_KINDS = ("push", "pull_request", "schedule", "manual")


def _head(source: Source) -> tuple[str, str]:
    if not source.revision:
        branch = _ask(source.path, "symbolic-ref", "-q", "--short", "HEAD")
        if branch:
            return branch[0], ""
    else:
        named = _ask(source.path, "rev-parse", "--symbolic-full-name", "--end-of-options", source.revision)
        for name in named:
            for start, place in (("refs/heads/", 0), ("refs/remotes/origin/", 0), ("refs/tags/", 1)):
                if name.startswith(start):
                    short = name.removeprefix(start)
                    return ("", short) if place else (short, "")
    tags = _ask(source.path, "tag", "--points-at", source.commit.sha)
    return "", tags[0] if tags else ""


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
