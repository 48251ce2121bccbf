"""Steps of Woodpecker; its variables are described at https://woodpecker-ci.org/docs/usage/environment."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.job import Job
from pipeline.model.source import Event

_KINDS = {
    "push": "push",
    "tag": "push",
    "release": "push",
    "pull_request": "pull_request",
    "pull_request_closed": "pull_request",
    "pull_request_metadata": "pull_request",
    "cron": "schedule",
}


def job(variables: Mapping[str, str]) -> Job:
    """A step of a pipeline.

    No variable says whether a pull request comes from a fork, so every one of them counts as foreign.
    """
    get = variables.get
    kind = _KINDS.get(get("CI_PIPELINE_EVENT", ""), "manual")
    proposed = kind == "pull_request"
    tag = get("CI_COMMIT_TAG", "")
    branch = get("CI_COMMIT_SOURCE_BRANCH") if proposed else get("CI_COMMIT_BRANCH")
    return Job(
        event=Event(
            kind=kind,
            branch="" if tag else branch or "",
            tag=tag,
            actor=get("CI_PIPELINE_AUTHOR") or get("CI_COMMIT_AUTHOR") or "",
            before=get("CI_PREV_COMMIT_SHA", "") if kind == "push" and not tag else "",
            target=get("CI_COMMIT_TARGET_BRANCH", "") if proposed else "",
            proposal=get("CI_COMMIT_PULL_REQUEST", "") if proposed else "",
            host="woodpecker",
            url=get("CI_STEP_URL") or get("CI_PIPELINE_URL") or "",
        ),
        sha=get("CI_COMMIT_SHA", ""),
        foreign=proposed,
    )
