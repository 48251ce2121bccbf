"""What page routes ask of a request: which repository is meant, which run, and who looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from pipeline.model.account import Role
from pipeline.model.run import Run
from pipeline.operations.repositories import url_of
from pipeline.web.access.asking import need
from pipeline.web.asking import App

VIEWERS = Depends(need(Role.VIEWER))
"""Whoever may look at the repository of the path."""
DEVELOPERS = Depends(need(Role.DEVELOPER))
"""Whoever may start and stop its runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A repository by its name, and the key under which its runs are recorded."""

    name: str
    url: str


def _place(app: App, owner: str, name: str) -> Place:
    full = f"{owner}/{name}"
    return Place(name=full, url=url_of(app, full))


Repo = Annotated[Place, Depends(_place)]
"""The repository of `/r/{owner}/{name}`; 404 where there is none."""


def _run(app: App, place: Repo, number: str) -> Run:
    return app.records.find_run(number, repository=place.url)


Chosen = Annotated[Run, Depends(_run)]
"""The run of `…/runs/{number}`, with all that its stages made; 404 where there is none."""
