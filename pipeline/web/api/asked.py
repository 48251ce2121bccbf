"""What a route about a repository is asked: about which one, by whom, of which application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request, Response

from pipeline.model.account import Role
from pipeline.operations.repositories import url_of
from pipeline.operations.serving.place import folder_of, place_of
from pipeline.operations.surroundings import Surroundings
from pipeline.ports.application import Application
from pipeline.web.access.asking import Signed
from pipeline.web.access.principal import Principal
from pipeline.web.api.answers import answer, keyed, page
from pipeline.web.asking import App

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request about a repository. That the person may is for the route's `need` to say."""

    request: Request
    app: Application
    person: Principal
    repository: str
    """`owner/name`."""

    @property
    def url(self) -> str:
        """The key of the repository's runs. NotFoundError for a name that nobody has."""
        return url_of(self.app, self.repository)

    @property
    def folder(self) -> Folder:
        """The repository's clone on this machine."""
        return folder_of(self.app, self.repository)

    @property
    def place(self) -> Surroundings:
        """What a promotion stands on, on behalf of the person."""
        return place_of(self.app, self.repository, person=self.person.login)

    @property
    def key(self) -> str:
        """What makes a repeated request the same one."""
        return keyed(self.person.login, self.request)

    def sees(self, environment: str) -> bool:
        """Whether the person may look at an environment of the repository."""
        return self.person.may(Role.VIEWER, self.repository, environment)

    def answer(self, thing: object, *, status: int = 200) -> Response:
        """A value as JSON."""
        return answer(self.request, thing, status=status)

    def page(
        self,
        items: Sequence[Item],
        *,
        limit: int,
        cursor: Callable[[Item], str],
        keep: Callable[[Item], bool] = lambda _: True,
    ) -> Response:
        """A page of a list of which one item more than `limit` was asked for, if there is one; only items to `keep`."""
        return page(self.request, items, limit=limit, cursor=cursor, keep=keep)


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedThere(Asked):
    """A request about an environment of a repository."""

    environment: str


async def _in_repository(
    request: Request,
    app: App,
    person: Signed,
    owner: Annotated[str, Path(max_length=200)],
    name: Annotated[str, Path(max_length=200)],
) -> Asked:
    return Asked(request=request, app=app, person=person, repository=f"{owner}/{name}")


InRepository = Annotated[Asked, Depends(_in_repository)]
"""For routes below `repositories/{owner}/{name}`."""


async def _in_environment(asked: InRepository, environment: Annotated[str, Path(max_length=200)]) -> AskedThere:
    return AskedThere(
        request=asked.request,
        app=asked.app,
        person=asked.person,
        repository=asked.repository,
        environment=environment,
    )


InEnvironment = Annotated[AskedThere, Depends(_in_environment)]
"""For routes below `repositories/{owner}/{name}/environments/{environment}`."""
