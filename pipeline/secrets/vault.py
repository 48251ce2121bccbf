"""Secrets of a server's vault, for the process that makes a run of one repository."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import EcluseError, SecretError
from pipeline.ports.vault import Vault, environment_scope, repository_scope
from pipeline.secrets.provider import Found


class VaultProvider:
    """What is kept for an environment of the repository, then what is kept for all its runs; read when asked for."""

    def __init__(self, vault: Callable[[], Vault], repository: str) -> None:
        self._vault = vault
        self._repository = repository

    def find(self, name: str, *, environment: str = "") -> Found | None:
        """The value. SecretError where the vault's key is missing or another one, or the value is no text."""
        scopes = [repository_scope(self._repository)]
        if environment:
            scopes.insert(0, environment_scope(self._repository, environment))
        for scope in scopes:
            try:
                value = self._vault().get(scope, name)
            except EcluseError as error:
                raise SecretError(f"secret {name}: {error.message}", hint=error.hint) from error
            if value is not None:
                return Found(value=_text(name, value), where=scope)
        return None


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise SecretError(
            f"secret {name} is not UTF-8 text", hint="encode it, for example with base64, and decode it in use"
        ) from error
