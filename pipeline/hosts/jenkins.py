"""Builds of Jenkins: its own variables, those of multibranch jobs and those of the git plugin.

https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables, `JENKINS_URL/env-vars.html` of every
Jenkins (CHANGE_…, BRANCH_NAME, TAG_NAME), https://plugins.jenkins.io/git/#plugin-content-environment-variables (GIT_…).
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.job import Job
from pipeline.model.source import Event


def job(variables: Mapping[str, str]) -> Job:
    """A build of a multibranch job (branch, tag or change), else of a plain one with the git plugin's variables.

    Jenkins does not say whether a person, a push or a timer asked for a build: it counts as a push.
    """
    get = variables.get
    change = get("CHANGE_ID", "")
    branch, tag = _place(variables)
    previous = get("GIT_PREVIOUS_COMMIT", "")
    return Job(
        event=Event(
            kind="pull_request" if change else "push",
            branch=branch,
            tag=tag,
            actor=get("CHANGE_AUTHOR") or get("BUILD_USER_ID") or "",
            before="" if change else previous,
            target=get("CHANGE_TARGET", ""),
            proposal=change,
            host="jenkins",
            url=get("BUILD_URL", ""),
        ),
        sha=get("GIT_COMMIT", ""),
        foreign=bool(change) and bool(get("CHANGE_FORK")),
    )


def _place(variables: Mapping[str, str]) -> tuple[str, str]:
    """Branch and tag."""
    if variables.get("TAG_NAME"):
        return "", variables["TAG_NAME"]
    if variables.get("BRANCH_NAME"):
        return variables.get("CHANGE_BRANCH") or variables["BRANCH_NAME"], ""
    name = variables.get("GIT_BRANCH", "")
    for start in ("refs/tags/", "origin/tags/", "tags/"):
        if name.startswith(start):
            return "", name.removeprefix(start)
    if name in ("", "detached", "HEAD"):
        return variables.get("GIT_LOCAL_BRANCH", ""), ""
    for start in ("refs/heads/", "refs/remotes/", "origin/"):
        name = name.removeprefix(start)
    return name, ""
