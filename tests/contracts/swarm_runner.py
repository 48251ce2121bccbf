"""A runner of its own that runs one stage on the swarm, to be killed. Takes settings as JSON, run, image, script."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

from pipeline.executors.swarm.executor import SwarmExecutor
from pipeline.model.container import ContainerSpec, Stream, View
from pipeline.model.identity import RunIdentity
from pipeline.ports.cancellation import Cancellation
from pipeline.settings import Settings
from pipeline.storage.objects import FolderObjects


class Out:
    """Passes on what the stage prints, at once."""

    def write(self, stream: Stream, chunk: bytes) -> None:
        """To standard output."""
        sys.stdout.buffer.write(chunk)
        sys.stdout.flush()

    def starting(self) -> None:
        """Nothing to say."""

    def replaying(self) -> None:
        """Nothing to say."""

    def replayed(self, stream: Stream, lines: bytes, moment: datetime) -> None:
        """As what is written."""
        self.write(stream, lines)

    def note(self, line: str) -> None:
        """Nothing to say."""

    def service(self, name: str) -> Out:
        """There is none."""
        return self


def main(given: str, run: str, image: str, script: str) -> None:
    """A stage `before`, and upon it the stage that prints."""
    facts = json.loads(given)
    settings = Settings(**{**facts, "home": Path(facts["home"])})
    session = SwarmExecutor(settings, FolderObjects(settings.home / "shelf")).open(
        RunIdentity(installation=settings.installation, run=run), lanes=1, stages=2
    )

    def execute(stage: str, words: tuple[str, ...], *below: str) -> None:
        view = View(layer=stage, below=below)
        spec = ContainerSpec(stage=stage, attempt=1, step="main", image=image, entrypoint=(), command=words, view=view)
        session.execute(spec, output=Out(), cancel=Cancellation())

    execute("before", ("sh", "-c", "echo moin > left"))
    execute("stage", ("sh", "-c", script), "before")


if __name__ == "__main__":
    main(*sys.argv[1:])
