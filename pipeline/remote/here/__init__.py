"""Questions that this machine answers, from its own records."""

from __future__ import annotations

from pathlib import Path

from pipeline.ports.application import Application
from pipeline.remote.here.runs import RunsHere


class Here(RunsHere):
    """This machine: `folder` is where the person stands, `app` what its operations stand on."""

    def __init__(self, app: Application, folder: Path) -> None:
        super().__init__(app, folder)
