"""Secrets of repositories and environments: written into the vault, listed without values, never read back here."""

from __future__ import annotations

import re

from pipeline.errors import UsageError
from pipeline.ports.application import Application
from pipeline.ports.vault import SecretNote, environment_scope, repository_scope

SHORTEST = 4
LARGEST = 64 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def scope_of(app: Application, repository: str, environment: str = "") -> str:
    """Where a secret is kept. NotFoundError for a repository that the server does not look after."""
    name = app.intake.find_repository(repository).name
    if not environment:
        return repository_scope(name)
    if not _ENVIRONMENT.fullmatch(environment):
        raise UsageError(f"{environment[:80]!r} is no name of an environment", hint="as the pipeline file writes it")
    return environment_scope(name, environment)


def place_of_scope(scope: str) -> tuple[str, str] | None:
    """The repository and environment of a scope, as `scope_of` made it; None for what the server keeps for itself."""
    kind, _, rest = scope.partition(":")
    if kind == "repository":
        return rest, ""
    if kind == "environment":
        repository, _, environment = rest.rpartition(":")
        return repository, environment
    return None


def keep_secret(app: Application, scope: str, name: str, value: str, *, by: str) -> SecretNote:
    """A new version. UsageError for a name that no stage could use, or a value that no log could hide."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} is no name of a secret", hint="letters, digits and _: it becomes a variable of the stage"
        )
    if len(value.strip()) < SHORTEST:
        raise UsageError(
            f"the value of '{name}' is shorter than {SHORTEST} characters",
            hint="so short a value cannot be hidden in a log: use a longer one, or a plain variable",
        )
    content = value.encode(errors="surrogatepass")
    if len(content) > LARGEST:
        raise UsageError(f"the value of '{name}' is larger than {LARGEST // 1024} KiB", hint="keep a key to it instead")
    if "\0" in value:
        raise UsageError(f"the value of '{name}' has a NUL in it", hint="encode it, for example with base64")
    return app.vault.put(scope, name, content, by=by)
