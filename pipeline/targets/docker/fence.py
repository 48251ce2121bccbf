"""The newest lease that came to an environment's engine, kept as the name of an empty volume there.

The engine has no compare-and-set, so a call reads this mark, raises it, and only then writes. Two promoters that look
within the same few milliseconds both pass; whoever wakes up later with an old lease does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pipeline.dockerapi import translating
from pipeline.targets.docker.fleet import Fleet
from pipeline.targets.refusing import refuse_stale

LABEL_FENCE = "io.ecluse.fence"


class Fence:
    """The mark of one environment on one engine."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def seen(self) -> int:
        """The highest lease that came here; 0 where none did."""
        return max(self._marks().values(), default=0)

    def admit(self, fence: int) -> None:
        """LeaseLostError for a smaller one than was seen; else it is the mark from now on."""
        if fence == 0:
            return
        marks = self._marks()
        seen = max(marks.values(), default=0)
        refuse_stale(fence, seen, environment=self._fleet.environment)
        if fence == seen:
            return
        with translating("mark the newest lease"):
            self._fleet.client.create_volume(
                f"{self._fleet.name}-fence-{fence}", labels={**self._fleet.labels, LABEL_FENCE: str(fence)}
            )
        self._drop(name for name, mark in marks.items() if mark < fence)

    def clear(self) -> None:
        """Forget it: nothing of the environment is left."""
        self._drop(self._marks())

    def _marks(self) -> dict[str, int]:
        wanted = [f"{key}={value}" for key, value in self._fleet.labels.items()] + [LABEL_FENCE]
        with translating("look for the newest lease"):
            found = self._fleet.client.volumes(filters={"label": wanted})["Volumes"] or ()
        return {item["Name"]: int(item["Labels"][LABEL_FENCE]) for item in found}

    def _drop(self, names: Iterable[str]) -> None:
        import docker.errors

        for name in names:
            with suppress(docker.errors.NotFound), translating(f"remove volume {name}"):
                self._fleet.client.remove_volume(name)
