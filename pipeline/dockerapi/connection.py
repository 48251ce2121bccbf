"""Reach the engine that the settings name, once per process and address."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pipeline.dockerapi.context import context_address
from pipeline.dockerapi.faults import translating
from pipeline.dockerapi.local import PREFIX, LocalClient
from pipeline.errors import EngineError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from docker import APIClient

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
ASK_TIMEOUT = 120
"""Seconds that the engine may stay silent within one answer; `wait` and streams have no limit."""
CONNECTIONS = 32
"""Connections kept open: one for each thread of a busy run."""

_clients: dict[tuple[str, int], APIClient] = {}
_lock = threading.Lock()


def address(settings: Settings) -> str:
    """Where the engine listens: the setting, else DOCKER_HOST, else docker's current context, else the usual socket."""
    return settings.docker_host or os.environ.get("DOCKER_HOST", "") or context_address() or DEFAULT_ADDRESS


def connect(settings: Settings) -> APIClient:
    """A client that several threads may share; the same one for every caller of this process.

    Costs one `_ping`, which also tells the engine's API version. DOCKER_TLS_VERIFY and DOCKER_CERT_PATH count for
    tcp addresses. Raises EngineUnreachableError with a remedy. For an engine on this machine it is a `LocalClient`,
    which imports `docker` when something is asked that it does not do itself.
    """
    place = address(settings)
    key = (place, os.getpid())
    with _lock:
        client = _clients.get(key)
        if client is None:
            client = _clients[key] = _open(place)
        return client


def _open(place: str) -> APIClient:
    if not place.startswith(PREFIX):
        return _open_full(place)
    with translating(f"reach the engine at {place}", address=place):
        local = LocalClient(place, full=partial(_open_full, place))
        if not local.greet():
            raise _not_an_engine(place)
    return cast("APIClient", local)


def _open_full(place: str) -> APIClient:
    with translating(f"reach the engine at {place}", address=place):
        from docker import APIClient
        from docker.utils import kwargs_from_env

        more = {} if place.startswith(("unix:", "ssh:", "npipe:")) else kwargs_from_env()
        more["base_url"] = place if not more.get("tls") else place.replace("tcp://", "https://", 1)
        client: Any = APIClient(
            version="1.41",
            timeout=ASK_TIMEOUT,
            max_pool_size=CONNECTIONS,
            use_ssh_client=place.startswith("ssh:"),
            **more,
        )
        answer = client._get(client._url("/_ping", versioned_api=False))
        answer.raise_for_status()
        version = answer.headers.get("Api-Version", "")
        if not version:
            raise _not_an_engine(place)
        client._version = version
        opened: APIClient = client
        return opened


def _not_an_engine(place: str) -> EngineError:
    return EngineError(
        f"what answers at {place} is not a Docker Engine",
        hint="point DOCKER_HOST or the setting 'docker_host' to a Docker Engine",
    )
