"""Jobs of GitHub Actions and of those that speak its language: Gitea Actions and Forgejo Actions.

Variables: https://docs.github.com/en/actions/reference/workflows-and-actions/variables,
https://forgejo.org/docs/latest/user/actions/reference/, https://docs.gitea.com/usage/actions/comparison. What the
variables do not say (the fork, the number, the commit before) stands in the event's payload, `GITHUB_EVENT_PATH`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.model.job import Job
from pipeline.model.source import Event

_KINDS = {
    "push": "push",
    "merge_group": "push",
    "release": "push",
    "pull_request": "pull_request",
    "pull_request_target": "pull_request",
    "schedule": "schedule",
}
_WRITERS = frozenset({*_KINDS, "workflow_dispatch", "repository_dispatch", "workflow_call"})
"""Events that only people with write access bring about, or whose origin the payload tells."""


def github(variables: Mapping[str, str]) -> Job:
    """A job of GitHub Actions; it says itself whether its branch or tag is protected."""
    page = f"actions/runs/{variables.get('GITHUB_RUN_ID', '')}"
    return _job("github", variables, page=page, protected=variables.get("GITHUB_REF_PROTECTED") == "true")


def gitea(variables: Mapping[str, str]) -> Job:
    """A job of Gitea Actions, which counts a repository's runs in its addresses and knows no protection in jobs."""
    return _job("gitea", variables, page=f"actions/runs/{variables.get('GITHUB_RUN_NUMBER', '')}", protected=None)


def forgejo(variables: Mapping[str, str]) -> Job:
    """A job of Forgejo Actions; it sets the names of GitHub as well as its own."""
    return _job("forgejo", variables, page=f"actions/runs/{variables.get('GITHUB_RUN_NUMBER', '')}", protected=None)


def _job(host: str, variables: Mapping[str, str], *, page: str, protected: bool | None) -> Job:
    name = variables.get("GITHUB_REF_NAME", "")
    occasion = variables.get("GITHUB_EVENT_NAME", "push")
    payload = _payload(variables.get("GITHUB_EVENT_PATH", ""))
    proposal = _mapping(payload.get("pull_request"))
    tagged = variables.get("GITHUB_REF_TYPE") == "tag"
    kind = _KINDS.get(occasion, "manual")
    proposed = kind == "pull_request"
    return Job(
        event=Event(
            kind=kind,
            branch="" if tagged else variables.get("GITHUB_HEAD_REF") or name,
            tag=name if tagged else "",
            actor=variables.get("GITHUB_ACTOR", ""),
            before=_commit(payload.get("before")) if occasion == "push" else "",
            target=variables.get("GITHUB_BASE_REF", "") if proposed else "",
            proposal=_number(proposal, variables) if proposed else "",
            host=host,
            url=_page(variables, page),
        ),
        sha=variables.get("GITHUB_SHA", ""),
        foreign=proposed and not _same_repository(proposal),
        anybody=occasion not in _WRITERS,
        protected=protected,
    )


def _payload(path: str) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(Path(path).read_bytes()))
    except (OSError, ValueError):
        return {}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _same_repository(proposal: Mapping[str, object]) -> bool:
    """Whether head and base are the same repository; a fork that is gone, or a payload that is not there, is not."""
    head = _mapping(_mapping(proposal.get("head")).get("repo")).get("full_name")
    base = _mapping(_mapping(proposal.get("base")).get("repo")).get("full_name")
    return bool(head) and head == base


def _number(proposal: Mapping[str, object], variables: Mapping[str, str]) -> str:
    number = proposal.get("number")
    if isinstance(number, int):
        return str(number)
    found = re.fullmatch(r"refs/pull/(\d+)/.*", variables.get("GITHUB_REF", ""))
    return found[1] if found else ""


def _commit(value: object) -> str:
    return value if isinstance(value, str) and value.strip("0") else ""


def _page(variables: Mapping[str, str], page: str) -> str:
    server, repository = variables.get("GITHUB_SERVER_URL", ""), variables.get("GITHUB_REPOSITORY", "")
    return f"{server.rstrip('/')}/{repository}/{page}" if server and repository else ""
