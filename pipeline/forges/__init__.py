"""Forges by kind: how each one's webhooks are read, and how it is told of runs."""

from __future__ import annotations

from collections.abc import Mapping

FORGES: Mapping[str, str] = {
    "github": "pipeline.forges.github:GitHub",
    "gitlab": "pipeline.forges.gitlab:GitLab",
    "gitea": "pipeline.forges.gitea:Gitea",
    "bitbucket": "pipeline.forges.bitbucket:Bitbucket",
    "plain": "pipeline.forges.plain:Plain",
}
"""Kind (`pipeline.model.repository.ForgeKind`) to `module:class` of its adapter, built with the settings."""
