"""A repository that the server looks after: where it is, which forge it lives on, and what its forks may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ForgeKind(StrEnum):
    """The forge whose webhooks and API a repository has; `plain`: bare git with a signed POST of our own."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    """Gitea and Forgejo, whose API is the same."""
    BITBUCKET = "bitbucket"
    PLAIN = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """What the server knows of a repository. Its secrets (webhook, forge token) are in the vault, not here."""

    name: str
    """`owner/name`: how people, pages and the API call it; unique."""
    url: str
    """Where it is cloned from, without credentials; the key under which its runs are recorded."""
    forge: ForgeKind = ForgeKind.PLAIN
    api: str = ""
    """Base URL of the forge's API; "" = the public one of its kind, or none."""
    default_branch: str = "main"
    file: str = "pipeline.yml"
    active: bool = True
    """Whether its events start runs."""
    forks: bool = False
    """Whether pull requests of forks run without a person's word; without secrets and effects in any case."""
    created: datetime
