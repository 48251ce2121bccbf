"""What a registry's refusal means: every kind gets one clear message and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.dockerapi.faults import FULL, disk_full
from pipeline.errors import DiskFullError, RegistryBusyError, RegistryError

_Make = Callable[[str, str, str], RegistryError]


def _denied(registry: str, repository: str, words: str) -> RegistryError:
    return RegistryError(
        f"the registry {registry} does not let this login write to {repository}: {words}",
        hint=f"write `login: {{username: …, password: SECRET_NAME}}` in the stage, or `docker login {registry}`, "
        "and see that the user may push there",
    )


def _unknown_host(registry: str, _: str, words: str) -> RegistryError:
    return RegistryError(
        f"the registry's host {registry} is unknown: {words}", hint="check the spelling in `to`, and the engine's DNS"
    )


def _plain_http(registry: str, _: str, words: str) -> RegistryError:
    return RegistryError(
        f"the registry {registry} does not speak https: {words}",
        hint=f'give it a certificate, or add "insecure-registries": ["{registry}"] to the engine\'s daemon.json',
    )


def _untrusted(registry: str, _: str, words: str) -> RegistryError:
    return RegistryError(
        f"the engine does not trust the certificate of {registry}: {words}",
        hint=f"put the registry's CA on the engine's host as /etc/docker/certs.d/{registry}/ca.crt",
    )


def _unknown_name(registry: str, repository: str, words: str) -> RegistryError:
    return RegistryError(
        f"the registry {registry} does not know {repository}: {words}",
        hint="create the project or repository there first, or correct `to`",
    )


def _immutable(registry: str, repository: str, words: str) -> RegistryError:
    return RegistryError(
        f"the registry {registry} does not let a tag of {repository} move: {words}", hint="push under a new tag"
    )


def _busy(registry: str, _: str, words: str) -> RegistryError:
    return RegistryBusyError(
        f"the registry {registry} does not answer as it should: {words}",
        hint="check that it runs and that the engine reaches it; the same may pass later",
    )


_PASSING = (
    r"connection refused|connection reset|timeout|timed out|EOF|toomanyrequests|too many requests|429"
    r"|unexpected HTTP status: 5|received unexpected HTTP status|\b5\d\d\b|unreachable|no route|broken pipe"
    r"|server misbehaving|retry later|blob upload unknown|blob upload invalid"
)
_MEANINGS: tuple[tuple[str, _Make], ...] = (
    (r"no such host", _unknown_host),
    (r"server gave HTTP response to HTTPS client", _plain_http),
    (r"x509:|certificate", _untrusted),
    (r"immutable|cannot be overwritten", _immutable),
    (r"name unknown|name_unknown|repository .*not found|project .*not found|404", _unknown_name),
    (r"denied|unauthorized|authentication required|no basic auth|forbidden|40[13]\b", _denied),
    (_PASSING, _busy),
)


def refusal(registry: str, repository: str, words: str) -> RegistryError | DiskFullError:
    """The error for what the registry (or the engine on its behalf) said; RegistryBusyError when it may pass."""
    words = words.strip().rstrip(".")
    if FULL in words.lower():
        return disk_full(f"push to {registry}", words)
    for pattern, make in _MEANINGS:
        if re.search(pattern, words, re.IGNORECASE):
            return make(registry, repository, words)
    return RegistryError(f"the registry {registry} refused {repository}: {words}", hint="see the registry's own log")
