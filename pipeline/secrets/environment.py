"""Secrets as variables of the runner: how CI hosts hand theirs over."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.secrets.provider import Found

PREFIX = "ECLUSE_SECRET_"


class EnvironmentProvider:
    """`ECLUSE_SECRET_<NAME>` is the secret `<NAME>`; the variables are read when a secret is asked for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def find(self, name: str) -> Found | None:
        """The variable's value as it is."""
        variable = PREFIX + name
        value = self._environment.get(variable)
        return None if value is None else Found(value=value, where=f"variable {variable}")
