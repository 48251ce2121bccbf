"""What stands behind an image's name: on the engine, or, where that does not have it yet, in its registry."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from pipeline.dockerapi import LocalClient, connect, translating
from pipeline.errors import EcluseError
from pipeline.settings import Settings

_WITHIN = 5.0
"""Seconds that the engine may stay silent: a plan can do without its answer."""
_FOUND = 200


class DockerIdentity:
    """Implements `pipeline.ports.reuse.Identify`. What is known is asked once; what is not, again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()
        self._registries = False
        self._platform = ""

    def reach_out(self) -> None:
        """From now on ask registries too."""
        self._registries = True

    def image(self, reference: str) -> str:
        """The digest by which its registry knows it; the engine's own id for one that was built here."""
        with self._lock:
            known = self._known.get(reference) or self._pinned(reference) or self._on_engine(reference)
            if not known and self._registries:
                known = self._in_registry(reference)
            if known:
                self._known[reference] = known
            return known

    def has(self, reference: str, id: str) -> bool:  # noqa: A002 - as the engine calls it
        """Whether the engine has it under that name."""
        facts = self._ask(f"/images/{reference}/json")
        return facts is not None and facts.get("Id") == id

    @property
    def platform(self) -> str:
        """Of the engine."""
        if not self._platform:
            facts = self._ask("/version")
            self._platform = f"{facts.get('Os', '')}/{facts.get('Arch', '')}" if facts else ""
        return self._platform

    def _pinned(self, reference: str) -> str:
        return reference.rpartition("@")[2] if "@sha256:" in reference else ""

    def _on_engine(self, reference: str) -> str:
        facts = self._ask(f"/images/{reference}/json")
        if facts is None:
            return ""
        repository = reference.rpartition(":")[0] if ":" in reference.rpartition("/")[2] else reference
        digests = [item.rpartition("@")[2] for item in facts.get("RepoDigests") or [] if _same(item, repository)]
        return digests[0] if digests else str(facts.get("Id", ""))

    def _in_registry(self, reference: str) -> str:
        from pipeline.executors.docker.images import DockerImages

        tagged = reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"
        try:
            return DockerImages(self._settings).registry_digest(tagged, credentials=None) or ""
        except EcluseError:
            return ""  # the stage will meet it when it fetches the image, and say it

    def _ask(self, path: str) -> Mapping[str, Any] | None:
        """What the engine answers; None where it has no such thing or does not answer."""
        try:
            client: Any = connect(self._settings)
            with translating("ask the engine"):
                if isinstance(client, LocalClient):
                    found: Mapping[str, Any] | None = client.look(path, silent=_WITHIN)
                    return found
                answer = client._get(client._url(path))
                return answer.json() if answer.status_code == _FOUND else None
        except EcluseError:
            return None


def _same(pinned: str, repository: str) -> bool:
    """Whether `name@sha256:…` is of that repository, which may be written without `docker.io/library/`."""
    name = pinned.rpartition("@")[0]
    return name == repository or name.removeprefix("docker.io/").removeprefix("library/") == repository.removeprefix(
        "docker.io/"
    ).removeprefix("library/")
