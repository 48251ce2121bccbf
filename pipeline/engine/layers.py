"""Which layers a stage sees, and the containers that follow from a stage's definition alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from pipeline.engine.script import compose, shell_command
from pipeline.model.container import ContainerSpec, Network, View
from pipeline.model.definition import StageDefinition
from pipeline.settings import Settings


def ancestors(stages: Sequence[StageDefinition]) -> Mapping[str, tuple[str, ...]]:
    """For each stage all that it needs at any distance, nearest in plan order first."""
    rank = {stage.name: index for index, stage in enumerate(stages)}
    found: dict[str, frozenset[str]] = {}
    for stage in stages:
        seen: set[str] = set()
        for need in stage.needs:
            if need.stage in rank:
                seen.add(need.stage)
                seen |= found.get(need.stage, frozenset())
        found[stage.name] = frozenset(seen)
    return {name: tuple(sorted(seen, key=lambda item: -rank[item])) for name, seen in found.items()}


class Layers:
    """Keeps which attempt of which stage left a layer. Safe for several threads."""

    def __init__(self, stages: Sequence[StageDefinition]) -> None:
        self._ancestors = ancestors(stages)
        self._written: dict[str, str] = {}
        self._lock = threading.Lock()

    def own(self, stage: str, attempt: int) -> str:
        """The name of the layer that an attempt writes into."""
        return f"{stage}.{attempt}"

    def written(self, stage: str, attempt: int) -> None:
        """An attempt has made its layer; a later attempt's replaces it."""
        with self._lock:
            self._written[stage] = self.own(stage, attempt)

    def view(self, stage: str, attempt: int, *, expected: Sequence[str] = ()) -> View:
        """What an attempt sees now; `expected` are stages that still run and will have written when it starts."""
        with self._lock:
            below = tuple(
                self._written.get(name) or self.own(name, 1)
                for name in self._ancestors[stage]
                if name in self._written or name in expected
            )
        return View(layer=self.own(stage, attempt), below=below)


def commands_spec(
    stage: StageDefinition, *, pipeline: str, attempt: int, view: View, settings: Settings, step: str = "main"
) -> ContainerSpec:
    """The container of a stage's commands (or of the image's own entry point where there are none)."""
    commands = stage.after if step == "after" else stage.commands
    command = shell_command(stage.shell, compose(commands, secrets=bool(stage.secrets))) if commands else None
    environment = {
        "CI": "true",
        "ECLUSE": "true",
        "ECLUSE_PIPELINE": pipeline,
        "ECLUSE_STAGE": stage.name,
        **stage.env,
    }
    return ContainerSpec(
        stage=stage.name,
        attempt=attempt,
        step=step,
        image=stage.image or "",
        entrypoint=() if command else None,
        command=command,
        environment=environment,
        view=view,
        workdir=stage.workdir,
        user=stage.user,
        network=_network(stage),
        resources=stage.resources,
        services=stage.services if step == "main" else (),
        grace=settings.grace,
    )


def _network(stage: StageDefinition) -> Network:
    if stage.network == "none":
        return Network.NONE
    return Network.OWN if stage.services else Network.SHARED
