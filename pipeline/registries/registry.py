"""Registries as operations and delivery see them."""

from __future__ import annotations

from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress
from pipeline.registries.access import Access
from pipeline.registries.client import RepositoryClient
from pipeline.registries.copying import Copying
from pipeline.registries.manifest import short
from pipeline.registries.names import Repository, pinned, repository, scheme
from pipeline.settings import Settings, certificate_bundle


class OciRegistry:
    """Implements `pipeline.ports.registry.Registry` with the logins of this user's docker configuration."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def has(self, image: str) -> bool:
        """See the port."""
        name, digest = pinned(image)
        of = repository(name)
        access = self._access(of)
        try:
            return RepositoryClient(access, of).manifest(digest) is not None
        finally:
            access.close()

    def copy(self, source: str, target: str, *, progress: Progress, cancel: Cancellation) -> str:
        """See the port."""
        name, digest = pinned(source)
        origin, goal = repository(name), repository(target)
        if origin == goal:
            return f"{target}@{digest}"
        cancel.check()
        there = self._access(origin)
        here = there if origin.host == goal.host else self._access(goal)
        try:
            copying = Copying(
                source=RepositoryClient(there, origin),
                target=RepositoryClient(here, goal),
                mounting=here is there,
                say=progress,
                cancel=cancel,
            )
            progress(f"copying {origin}@{short(digest)} to {goal}")
            copying.run(digest)
            progress(f"{goal} has {short(digest)}: {copying.tally.sentence}")
        finally:
            there.close()
            here.close()
        return f"{target}@{digest}"

    def has_provenance(self, image: str) -> bool:
        """See the port."""
        from pipeline.registries.provenance import has_provenance

        name, digest = pinned(image)
        place = repository(name)
        access = self._access(place)
        try:
            return has_provenance(RepositoryClient(access, place), digest)
        finally:
            access.close()

    def _access(self, of: Repository) -> Access:
        return Access(
            of.registry,
            of.host,
            scheme=scheme(of.host, self._settings.insecure_registries),
            certificates=str(certificate_bundle(self._settings) or ""),
        )
