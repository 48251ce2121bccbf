"""The secrets of an environment, for the promotions that may have them."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import SecretError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.permission import check_secret
from pipeline.model.source import Event
from pipeline.ports.secrets import Secrets
from pipeline.settings import Settings


def secrets_of(
    environment: EnvironmentDefinition, event: Event, *, secrets: Secrets, settings: Settings
) -> Mapping[str, str]:
    """Name to value, as the run that made the release (by its `event`) may have them. SecretError where one is missing.

    An untrusted run never gets here: the engine runs no stage with effects for it.
    """
    values: dict[str, str] = {}
    for name in environment.secrets:
        check_secret(name, settings.secrets.get(name), event, environment=environment.name)
        value = secrets.get(name, environment=environment.name)
        if value is None:
            raise SecretError(
                f"environment '{environment.name}' wants secret '{name}', which nobody provides",
                hint=f"set ECLUSE_SECRET_{name} or store it with the other secrets of this machine",
            )
        values[name] = value
    return values
