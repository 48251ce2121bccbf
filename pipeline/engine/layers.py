"""Which layers a stage sees, and the containers that follow from a stage's definition alone."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Mapping, Sequence

from pipeline.engine import outputs
from pipeline.engine.script import compose, shell_command
from pipeline.model.container import WORKSPACE, ContainerSpec, Network, View
from pipeline.model.definition import StageDefinition
from pipeline.settings import Settings


class Layers:
    """Keeps which attempt of which stage left a layer. Safe for several threads."""

    def __init__(self, stages: Sequence[StageDefinition], *, written: Mapping[str, str] | None = None) -> None:
        """`written`: layers that stages left before this run was taken up again."""
        self._needs: dict[str, tuple[str, ...]] = {}
        self._rank: dict[str, int] = {}
        self._ancestors: dict[str, tuple[str, ...]] = {}
        self._written: dict[str, str] = dict(written or {})
        self._narrow: dict[str, Mapping[str, str]] = {}
        self._lock = threading.Lock()
        self.extend(stages)

    def extend(self, stages: Sequence[StageDefinition]) -> None:
        """Further stages, behind those that are there."""
        with self._lock:
            for stage in stages:
                self._rank[stage.name] = len(self._rank)
                self._needs[stage.name] = tuple(need.stage for need in stage.needs)

    def widen(self, stage: StageDefinition) -> None:
        """A stage needs more than it did."""
        with self._lock:
            self._needs[stage.name] = tuple(need.stage for need in stage.needs)
            self._ancestors.clear()

    def own(self, stage: str, attempt: int) -> str:
        """The name of the layer that an attempt writes into."""
        return f"{stage}.{attempt}"

    def written(self, stage: str, attempt: int) -> None:
        """An attempt has made its layer; a later attempt's replaces it."""
        with self._lock:
            self._written[stage] = self.own(stage, attempt)

    def left_by(self, stage: str) -> str:
        """The layer that a stage left; "" when it wrote none."""
        with self._lock:
            return self._written.get(stage, "")

    def narrow(self, stage: str, layers: Mapping[str, str]) -> None:
        """This stage sees other layers in the place of some."""
        with self._lock:
            self._narrow[stage] = layers

    def before(self, stage: str) -> tuple[str, ...]:
        """All that a stage needs at any distance, nearest in plan order first."""
        with self._lock:
            return self._before(stage)

    def view(self, stage: str, attempt: int, *, expected: Sequence[str] = ()) -> View:
        """What an attempt sees now; `expected` are stages that still run and will have written when it starts."""
        with self._lock:
            below = tuple(
                self._written.get(name) or self.own(name, 1)
                for name in self._before(stage)
                if name in self._written or name in expected
            )
            narrow = self._narrow.get(stage)
        if narrow:
            below = tuple(narrow.get(layer, layer) for layer in below)
        return View(layer=self.own(stage, attempt), below=below)

    def _before(self, stage: str) -> tuple[str, ...]:
        """All that a stage needs at any distance, nearest in plan order first."""
        known = self._ancestors.get(stage)
        if known is None:
            seen: set[str] = set()
            todo = [need for need in self._needs[stage] if need in self._rank]
            while todo:
                name = todo.pop()
                if name not in seen:
                    seen.add(name)
                    todo.extend(need for need in self._needs[name] if need in self._rank)
            known = tuple(sorted(seen, key=lambda item: -self._rank[item]))
            self._ancestors[stage] = known
        return known


def commands_spec(
    stage: StageDefinition, *, pipeline: str, attempt: int, view: View, settings: Settings, step: str = "main"
) -> ContainerSpec:
    """The container of a stage's commands (or of the image's own entry point where there are none)."""
    commands = stage.after if step == "after" else stage.commands
    command = shell_command(stage.shell, compose(commands, secrets=bool(stage.secrets))) if commands else None
    hands_on = bool(stage.outputs) and step == "main"
    environment = {
        "CI": "true",
        "ECLUSE": "true",
        "ECLUSE_PIPELINE": pipeline,
        "ECLUSE_STAGE": stage.name,
        **({outputs.VARIABLE: outputs.FILE} if hands_on else {}),
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
        workdir=posixpath.normpath(posixpath.join(WORKSPACE, stage.workdir)) if stage.workdir else None,
        user=stage.user,
        network=_network(stage),
        resources=stage.resources,
        services=stage.services if step == "main" else (),
        grace=settings.grace,
        hardened=stage.hardened,
        privileged=stage.privileged,
        devices=stage.devices,
        exchange=hands_on,
    )


def _network(stage: StageDefinition) -> Network:
    if stage.network == "none":
        return Network.NONE
    if stage.network == "host":
        return Network.HOST
    return Network.OWN if stage.services else Network.SHARED
