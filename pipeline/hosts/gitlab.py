"""Jobs of GitLab CI/CD; its variables are described at https://docs.gitlab.com/ci/variables/predefined_variables/."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.job import Job
from pipeline.model.source import Event

_KINDS = {
    "push": "push",
    "webide": "push",
    "merge_request_event": "pull_request",
    "external_pull_request_event": "pull_request",
    "schedule": "schedule",
}


def job(variables: Mapping[str, str]) -> Job:
    """A job of a branch, tag, merge request or external pull request pipeline, or of a child pipeline of one."""
    get = variables.get
    source = get("CI_PIPELINE_SOURCE", "")
    proposal = get("CI_MERGE_REQUEST_IID") or get("CI_EXTERNAL_PULL_REQUEST_IID") or ""
    kind = "pull_request" if proposal else _KINDS.get(source, "push" if source == "parent_pipeline" else "manual")
    tag = get("CI_COMMIT_TAG", "")
    named = get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or get("CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME")
    target = get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") or get("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME")
    before = get("CI_COMMIT_BEFORE_SHA", "")
    return Job(
        event=Event(
            kind=kind,
            branch="" if tag else get("CI_COMMIT_BRANCH") or named or get("CI_COMMIT_REF_NAME", ""),
            tag=tag,
            actor=get("GITLAB_USER_LOGIN", ""),
            before=before if before.strip("0") and kind == "push" else "",
            target=(target or "") if kind == "pull_request" else "",
            proposal=proposal,
            host="gitlab",
            url=get("CI_JOB_URL", ""),
        ),
        sha=get("CI_COMMIT_SHA", ""),
        foreign=kind == "pull_request" and _foreign(variables),
        protected=get("CI_COMMIT_REF_PROTECTED") == "true",
    )


def _foreign(variables: Mapping[str, str]) -> bool:
    """Whether a merge request comes from another project than the one it is for.

    Its pipeline runs in the fork's project, or, when a member of the parent starts it, in the parent's.
    """
    if variables.get("CI_EXTERNAL_PULL_REQUEST_IID"):
        source = variables.get("CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY")
        return not source or source != variables.get("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY")
    source = variables.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID")
    projects = {variables.get("CI_PROJECT_ID"), variables.get("CI_MERGE_REQUEST_PROJECT_ID")}
    return not source or projects != {source}
