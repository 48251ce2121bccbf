"""The login for a registry: the stage's own, else what the user's docker configuration or its helpers know."""

from __future__ import annotations

from pipeline.errors import RegistryError
from pipeline.ports.images import Credentials


def registry_of(repository: str) -> str:
    """The registry's host of a repository, as the engine reads names: `docker.io` where none is written."""
    first, slash, _ = repository.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def login(repository: str, credentials: Credentials | None) -> dict[str, str]:
    """What goes into `X-Registry-Auth`; empty when nobody has a login, which an open registry accepts.

    The configuration is read anew each time: a `docker login` counts at once. Raises RegistryError when a credential
    helper fails.
    """
    from docker import auth
    from docker.errors import DockerException

    if credentials is not None:
        return {"username": credentials.username, "password": credentials.password}
    registry = registry_of(repository)
    try:
        found = auth.load_config().resolve_authconfig(auth.INDEX_NAME if registry == "docker.io" else registry)
    except (DockerException, OSError) as error:
        raise RegistryError(
            f"the docker configuration's login for {registry} cannot be read: {error}",
            hint=f"run `docker login {registry}`, or write `login:` in the stage",
        ) from error
    return {str(key): str(value) for key, value in (found or {}).items() if value is not None}
