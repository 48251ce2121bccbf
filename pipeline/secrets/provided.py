"""Secrets from several providers: the first that knows a name gives its value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.errors import SecretError
from pipeline.secrets.environment import EnvironmentProvider
from pipeline.secrets.files import FileProvider
from pipeline.secrets.provider import Found, Provider
from pipeline.secrets.vault import VaultProvider

SHORTEST = 4
"""Masking something shorter would black out half a log."""


class ProvidedSecrets:
    """Implements `pipeline.ports.secrets.Secrets`: a server's vault, where there is one, before providers in order."""

    def __init__(self, providers: Sequence[Provider], *, vault: VaultProvider | None = None) -> None:
        self._providers = tuple(providers)
        self._vault = vault

    def get(self, name: str, *, environment: str = "") -> str | None:
        """The value, or None. Raises SecretError for a value that cannot be masked or cannot be read."""
        for found in self._found(name, environment):
            if len(found.value.strip()) < SHORTEST:
                raise SecretError(
                    f"secret {name} ({found.where}) is shorter than {SHORTEST} characters",
                    hint="so short a value cannot be hidden in a log: use a longer one, or a plain variable",
                )
            return found.value
        return None

    def _found(self, name: str, environment: str) -> Iterator[Found]:
        kept = self._vault.find(name, environment=environment) if self._vault is not None else None
        if kept is not None:
            yield kept
        for provider in self._providers:
            found = provider.find(name)
            if found is not None:
                yield found


def provided_secrets(
    home: Path, environment: Mapping[str, str], *, vault: VaultProvider | None = None
) -> ProvidedSecrets:
    """The providers of a machine: the environment (`ECLUSE_SECRET_<NAME>`) before files (`<home>/secrets/<NAME>`)."""
    return ProvidedSecrets((EnvironmentProvider(environment), FileProvider(home / "secrets")), vault=vault)
