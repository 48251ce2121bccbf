"""Secrets from several providers: the first that knows a name gives its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import SecretError
from pipeline.secrets.environment import EnvironmentProvider
from pipeline.secrets.files import FileProvider
from pipeline.secrets.provider import Provider

SHORTEST = 4
"""Masking something shorter would black out half a log."""


class ProvidedSecrets:
    """Implements `pipeline.ports.secrets.Secrets` over providers, asked in order."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = tuple(providers)

    def get(self, name: str) -> str | None:
        """The value, or None. Raises SecretError for a value that cannot be masked or cannot be read."""
        for provider in self._providers:
            found = provider.find(name)
            if found is None:
                continue
            if len(found.value.strip()) < SHORTEST:
                raise SecretError(
                    f"secret {name} ({found.where}) is shorter than {SHORTEST} characters",
                    hint="so short a value cannot be hidden in a log: use a longer one, or a plain variable",
                )
            return found.value
        return None


def provided_secrets(home: Path, environment: Mapping[str, str]) -> ProvidedSecrets:
    """The providers of a machine: the environment (`ECLUSE_SECRET_<NAME>`) before files (`<home>/secrets/<NAME>`)."""
    return ProvidedSecrets((EnvironmentProvider(environment), FileProvider(home / "secrets")))
