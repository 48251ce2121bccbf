"""Reach the engine that the settings name, once per process and address."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pipeline.dockerapi.context import context_address
from pipeline.dockerapi.faults import translating
from pipeline.dockerapi.local import PREFIX, LocalClient
from pipeline.errors import EngineError, UsageError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from docker import APIClient

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
ASK_TIMEOUT = 120
"""Seconds that the engine may stay silent within one answer; `wait` and streams have no limit."""
CONNECTIONS = 32
"""Connections kept open: one for each thread of a busy run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificates:
    """PEM files of this machine: who signed the engine's certificate, and who we are to it."""

    authority: str
    certificate: str
    key: str


_clients: dict[tuple[str, Certificates | None, int], APIClient] = {}
_opening: dict[tuple[str, Certificates | None, int], threading.Lock] = {}
_lock = threading.Lock()


def address(settings: Settings) -> str:
    """Where the engine listens: the setting, else DOCKER_HOST, else docker's current context, else the usual socket."""
    return settings.docker_host or os.environ.get("DOCKER_HOST", "") or context_address() or DEFAULT_ADDRESS


def connect(settings: Settings, certificates: Certificates | None = None) -> APIClient:
    """A client that several threads may share; the same one for every caller of this process.

    Costs one `_ping`, which also tells the engine's API version. For tcp addresses without `certificates`
    DOCKER_TLS_VERIFY and DOCKER_CERT_PATH count. Raises EngineUnreachableError with a remedy, UsageError where a
    certificate cannot be read. For an engine on this machine it is a `LocalClient`, which imports `docker` when
    something is asked that it does not do itself.
    """
    place = address(settings)
    key = (place, certificates, os.getpid())
    with _lock:
        mine = _opening.setdefault(key, threading.Lock())
    with mine:  # one address that does not answer keeps nobody from another
        client = _clients.get(key)
        if client is None:
            client = _clients[key] = _open(place, certificates)
        return client


def disconnect(place: str) -> None:
    """Forget the client for an address that will not be asked any more, and close its connections."""
    with _lock:
        going = [key for key in _clients if key[0] == place and key[2] == os.getpid()]
        clients = [_clients.pop(key) for key in going]
        for key in going:
            _opening.pop(key, None)
    for client in clients:
        client.close()


def _open(place: str, certificates: Certificates | None) -> APIClient:
    if not place.startswith(PREFIX):
        return _open_full(place, certificates)
    with translating(f"reach the engine at {place}", address=place):
        local = LocalClient(place, full=partial(_open_full, place))
        if not local.greet():
            raise _not_an_engine(place)
    return cast("APIClient", local)


def _open_full(place: str, certificates: Certificates | None = None) -> APIClient:
    with translating(f"reach the engine at {place}", address=place):
        from docker import APIClient

        more = _identity(place, certificates)
        more["base_url"] = place if not more.get("tls") else place.replace("tcp://", "https://", 1)
        client: Any = APIClient(
            version="1.41",
            timeout=ASK_TIMEOUT,
            max_pool_size=CONNECTIONS,
            use_ssh_client=place.startswith("ssh:"),
            **more,
        )
        if more.get("tls"):
            _trust_only(client, str(more["base_url"]))
        answer = client._get(client._url("/_ping", versioned_api=False))
        answer.raise_for_status()
        version = answer.headers.get("Api-Version", "")
        if not version:
            raise _not_an_engine(place)
        client._version = version
        opened: APIClient = client
        return opened


def _identity(place: str, certificates: Certificates | None) -> dict[str, Any]:
    """What the client is given to prove who it is and to know the engine by."""
    from docker.utils import kwargs_from_env

    if place.startswith(("unix:", "ssh:", "npipe:")):
        return {}
    if certificates is None:
        return {**kwargs_from_env()}
    from docker.errors import TLSParameterError
    from docker.tls import TLSConfig

    try:
        config = TLSConfig(
            client_cert=(certificates.certificate, certificates.key), ca_cert=certificates.authority, verify=True
        )
    except TLSParameterError as error:
        words = str(error).partition("TLS configurations")[0].strip()
        raise UsageError(
            f"the certificates for the engine at {place} cannot be used: {words}",
            hint="check the paths under `tls` of the environment's target, and that this user may read them",
        ) from error
    return {"tls": config}


def _trust_only(client: Any, url: str) -> None:
    """The engine's own authority and no other: requests prefers REQUESTS_CA_BUNDLE to what a session was given."""
    from requests.utils import get_environ_proxies

    client.trust_env = False
    client.proxies = get_environ_proxies(url)


def _not_an_engine(place: str) -> EngineError:
    return EngineError(
        f"what answers at {place} is not a Docker Engine",
        hint="point DOCKER_HOST or the setting 'docker_host' to a Docker Engine",
    )
