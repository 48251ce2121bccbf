"""Names of repositories and images, and where their registry listens."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.model.quantity import image_parts

_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A repository of a registry: `registry` as it is written and as logins know it, `path` within it."""

    registry: str
    path: str

    @property
    def host(self) -> str:
        """Where the registry listens."""
        return "registry-1.docker.io" if self.registry in _HUB else self.registry

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


def repository(name: str) -> Repository:
    """A repository from its name, as docker reads names; UsageError for what is none."""
    try:
        path, tag, digest = image_parts(name)
    except ValueError as error:
        raise UsageError(f"{error}", hint="write it like registry.example.org/team/shop") from error
    if tag or digest:
        raise UsageError(f"'{name}' is an image and must be a repository", hint=f"write {path}")
    first, slash, rest = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return Repository(registry=first, path=rest)
    return Repository(registry="docker.io", path=path if slash else f"library/{path}")


def pinned(reference: str) -> tuple[str, str]:
    """The repository's name and the digest of `repository@sha256:…`; UsageError for anything else."""
    name, at, digest = reference.rpartition("@")
    if not at or not _DIGEST.fullmatch(digest):
        raise UsageError(f"'{reference}' is not an image by digest", hint="write repository@sha256:…")
    return name.rpartition(":")[0] if _has_tag(name) else name, digest


def is_digest(text: object) -> bool:
    """Whether it is a digest that we can check."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def scheme(registry: str, insecure: Collection[str]) -> str:
    """`http` for registries of this machine and those that the settings name, `https` for all others."""
    host = registry.rpartition(":")[0] if re.search(r":\d+$", registry) else registry
    if registry in insecure or host in insecure or host == "localhost":
        return "http"
    try:
        return "http" if ipaddress.ip_address(host.strip("[]")).is_loopback else "https"
    except ValueError:
        return "https"


def _has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2]
