"""Forges by kind: how each one's webhooks are read, and how it is told of runs."""

from __future__ import annotations

from collections.abc import Mapping

FORGES: Mapping[str, str] = {}
"""Kind (`pipeline.model.repository.ForgeKind`) to `module:class` of its adapter."""
