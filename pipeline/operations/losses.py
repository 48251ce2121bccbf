"""What stages of a run left that later ones can no longer have: layers of the workspace, and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.model.identity import RunIdentity
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.status import StageState
from pipeline.planning.retry import producers
from pipeline.ports.application import Application

WITH_ENGINE: frozenset[str] = frozenset({"docker", "swarm"})
"""Executors that have an engine for images: a swarm's is that of the manager."""
WITHOUT_WORKSPACE: frozenset[str] = frozenset({"push", "deploy", "smoke"})
"""Kinds of our own that never look into the workspace."""


class Images:
    """Which built images the engine still has, asked once each."""

    def __init__(self, app: Application, run: Run) -> None:
        self._app = app
        self._docker = run.executor in WITH_ENGINE
        self._known: dict[str, bool] = {}

    def there(self, image: str) -> bool:
        """Whether the engine has it."""
        if image not in self._known:
            self._known[image] = self._docker and self._app.images().inspect(image) is not None
        return self._known[image]


def gone(stage: StageRun, needed_by: str, plan: Plan, *, images: Images, layers: frozenset[str] | None = None) -> str:
    """What a stage left that `needed_by` cannot have any more. `layers` are those that are gone (None: all of them,
    for the layers of a run go with its end)."""
    needing = next(item.stage for item in plan.stages if item.stage.name == needed_by)
    image = stage.products.image
    if image is not None and stage.name in _words(needing.options) and not images.there(image.reference):
        return "its image"
    left = stage.attempts[-1].layer if stage.attempts else ""
    if left and needing.kind not in WITHOUT_WORKSPACE and (layers is None or left in layers):
        return "its layer of the workspace"
    return ""


def without_lost(
    app: Application, run: Run, plan: Plan, stages: Sequence[StageRun]
) -> tuple[tuple[StageRun, ...], Mapping[str, str]]:
    """The stages of a run that goes on, where those wait again whose layer or image somebody has removed meanwhile
    though a stage that is still to run needs it; and why, by their names.

    A result that an earlier run left is brought back when it is needed; a stage that failed is not tried again.
    """
    known = {stage.name: stage for stage in stages}
    waiting = [stage.name for stage in stages if stage.state is not StageState.DONE]
    kept = [stage for stage in stages if _can_be_made_again(stage)]
    left = [layer for stage in kept if (layer := stage.attempts[-1].layer)]
    if not waiting or not kept:
        return tuple(stages), {}
    identity = RunIdentity(installation=app.settings.installation, run=run.id)
    lost = app.executor(run.executor).lost(identity, left) if left else frozenset()
    images = Images(app, run)
    again = producers(
        plan,
        known,
        waiting,
        effects=lambda kind: app.kinds[kind].effects,
        gone=lambda stage, needed_by: (
            gone(stage, needed_by, plan, images=images, layers=lost) if _can_be_made_again(stage) else ""
        ),
    )
    return tuple(
        replace(stage, state=StageState.WAITING, outcome=None, started=None, finished=None)
        if stage.name in again
        else stage
        for stage in stages
    ), again


def _can_be_made_again(stage: StageRun) -> bool:
    done = stage.state is StageState.DONE and stage.conclusion is not None and stage.conclusion.satisfies
    return done and bool(stage.attempts) and not stage.reused


def _words(options: Mapping[str, object]) -> frozenset[str]:
    """Every text among a stage's options, one level deep in lists."""
    found: set[str] = set()
    for value in options.values():
        found.update(item for item in (value if isinstance(value, list | tuple) else (value,)) if isinstance(item, str))
    return frozenset(found)
