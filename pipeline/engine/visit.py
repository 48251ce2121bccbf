"""What the engine does in the container of a stage's commands before it starts and after it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.engine import outputs
from pipeline.engine.caches import StageCaches
from pipeline.errors import EcluseError

if TYPE_CHECKING:
    from pipeline.engine.scope import RunScope
    from pipeline.model.container import Exit
    from pipeline.model.definition import StageDefinition
    from pipeline.ports.executor import ContainerFiles


class Visit:
    """A Visitor that brings the caches, reads the outputs, and keeps the caches of commands that went well."""

    def __init__(self, scope: RunScope, stage: StageDefinition, *, note: Callable[[str], None]) -> None:
        self._stage = stage
        self._note = note
        self._masked = scope.masker.text
        source = scope.plan.source
        self._caches = StageCaches(
            rules=stage.cache,
            store=scope.reuse,
            storage=scope.storage,
            repository=source.origin or source.path,
            event=scope.plan.event,
            clock=scope.clock,
            limit=scope.settings.cache_limit,
            note=note,
        )
        self.outputs: Mapping[str, str] = {}
        self.problem = ""
        """What is wrong with the outputs; "" for nothing."""

    def created(self, files: ContainerFiles) -> None:
        """Bring the caches."""
        self._caches.restore(files)

    def ended(self, files: ContainerFiles, ending: Exit) -> None:
        """Read the outputs, also of commands that failed; keep the caches of those that did not."""
        if self._stage.outputs:
            self._read_outputs(files)
        if ending.code == 0 and not ending.cancelled:
            self._caches.save(files)

    def _read_outputs(self, files: ContainerFiles) -> None:
        try:
            text = outputs.read(files)
            self.outputs = outputs.declared(text, self._stage.outputs, masked=self._masked, note=self._note)
        except outputs.OutputsError as error:
            self.problem = str(error)
        except EcluseError as error:
            self.problem = f"they cannot be read: {error.message}"
