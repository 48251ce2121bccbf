"""The repositories that a server looks after: which there are, taking them in, their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import RefusedError
from pipeline.model.account import Role
from pipeline.model.forge_address import host_of
from pipeline.model.outgoing import OutboxItem
from pipeline.model.repository import ForgeKind, Repository
from pipeline.operations.hook_install import hook_script
from pipeline.operations.registering import (
    Change,
    RepositoryFacts,
    add_repository,
    change_repository,
    facts_of,
    remove_repository,
    set_secret,
    set_token,
)
from pipeline.ports.vault import SecretNote
from pipeline.web.access.asking import Signed, need
from pipeline.web.access.trail import note
from pipeline.web.api.answers import Cursor, Limit, answer
from pipeline.web.api.asked import InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of
from pipeline.web.asking import App

router = APIRouter(prefix="/api/v1/repositories", tags=["repositories"], responses=PROBLEMS)

_READ = [Depends(need(Role.VIEWER))]
_OWN = [Depends(need(Role.ADMIN))]


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenIn:
    """A repository and its webhook's secret, which is shown this once."""

    repository: Repository
    hook_url: str
    api: str
    secret: SecretNote | None
    token: SecretNote | None
    secret_value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HookSecret:
    """A webhook's address and its secret, which is shown this once."""

    hook_url: str
    secret_value: str


class Properties(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    url: str | None = Field(default=None, max_length=2000, description="where it is cloned from, without a login")
    forge: ForgeKind | None = None
    api: str | None = Field(default=None, max_length=2000, description="of the forge; what follows from the URL else")
    default_branch: str | None = Field(default=None, min_length=1, max_length=250)
    file: str | None = Field(default=None, min_length=1, max_length=400, description="the pipeline file")
    active: bool | None = Field(default=None, description="whether its events start runs")
    forks: bool | None = Field(default=None, description="whether pull requests of forks run without a person's word")

    def change(self) -> Change:
        """For the operation."""
        return Change(
            url=self.url,
            forge=self.forge,
            api=self.api,
            default_branch=self.default_branch,
            file=self.file,
            active=self.active,
            forks=self.forks,
        )


class Registration(Properties):
    """A repository that is to be looked after."""

    name: str = Field(max_length=201, description="`owner/name`")
    url: str = Field(min_length=1, max_length=2000, description="where it is cloned from, without a login")
    secret: str | None = Field(default=None, max_length=1000, repr=False, description="the webhook's; one is made else")
    token: str | None = Field(default=None, max_length=1000, repr=False, description="the forge's, for statuses")


class ChosenSecret(BaseModel):
    """A webhook's new secret."""

    model_config = ConfigDict(extra="forbid")
    secret: str | None = Field(default=None, max_length=1000, repr=False, description="a good one is made else")


class ForgeToken(BaseModel):
    """A forge's token."""

    model_config = ConfigDict(extra="forbid")
    token: str = Field(min_length=1, max_length=1000, repr=False)


@router.get("", response_model=list[shape_of(Repository)])  # type: ignore[misc]
def repositories(
    request: Request,
    app: App,
    person: Signed,
    url: Annotated[str, Query(max_length=2000, description="only the one that is cloned from here")] = "",
) -> Response:
    """By name."""
    found = [item for item in app.intake.repositories() if not url or item.url == url]
    return answer(request, [item for item in found if person.may(Role.VIEWER, item.name)])


@router.post("", status_code=201, response_model=shape_of(TakenIn), dependencies=_OWN)
def take_in(request: Request, app: App, person: Signed, wanted: Annotated[Registration, Body()]) -> Response:
    """Look after one more: its webhooks start runs from now on. For admins of the server."""
    _elsewhere(wanted.url)
    facts, secret = add_repository(
        app, wanted.name, wanted.change(), by=person.login, secret=_bytes(wanted.secret), token=_bytes(wanted.token)
    )
    note(request, "repository.add", wanted.name, facts.repository.url)
    told = answer(
        request,
        TakenIn(
            repository=facts.repository,
            hook_url=facts.hook_url,
            api=facts.api,
            secret=facts.secret,
            token=facts.token,
            secret_value=secret,
        ),
        status=201,
    )
    told.headers["Cache-Control"] = "no-store"
    return told


@router.get("/{owner}/{name}", response_model=shape_of(Repository), dependencies=_READ)
def repository(asked: InRepository) -> Response:
    """One of them."""
    return asked.answer(asked.app.intake.find_repository(asked.repository))


@router.get("/{owner}/{name}/settings", response_model=shape_of(RepositoryFacts), dependencies=_OWN)
def settings(asked: InRepository) -> Response:
    """All that is known of it: its webhook's address, whether it has secrets; never a secret."""
    return asked.answer(facts_of(asked.app, asked.repository))


@router.patch("/{owner}/{name}", response_model=shape_of(RepositoryFacts), dependencies=_OWN)
def change(asked: InRepository, wanted: Annotated[Properties, Body()]) -> Response:
    """Change what is known of it. Where it is cloned from, and whom its forge's token is sent to, only admins of the
    server change: with the server's own rights every repository could be read."""
    known = asked.app.intake.find_repository(asked.repository)
    asked_for = (wanted.url or known.url, wanted.forge or known.forge, known.api if wanted.api is None else wanted.api)
    if asked_for != (known.url, known.forge, known.api):
        asked.person.must(Role.ADMIN)
    if asked_for[0] != known.url:
        _elsewhere(asked_for[0])
    facts = change_repository(asked.app, asked.repository, wanted.change())
    note(asked.request, "repository.change", asked.repository, ", ".join(sorted(wanted.model_fields_set)))
    return asked.answer(facts)


@router.delete("/{owner}/{name}", status_code=204, dependencies=_OWN)
def forget(asked: InRepository) -> Response:
    """Look after it no longer. Its secrets go; its runs, releases and history stay. For admins of the server."""
    asked.person.must(Role.ADMIN)
    remove_repository(asked.app, asked.repository)
    note(asked.request, "repository.remove", asked.repository)
    return Response(status_code=204)


@router.post("/{owner}/{name}/hook-secret", status_code=201, response_model=shape_of(HookSecret), dependencies=_OWN)
def new_hook_secret(asked: InRepository, wanted: Annotated[ChosenSecret, Body()]) -> Response:
    """A new secret of its webhook, shown this once; the one before counts no longer."""
    made = set_secret(asked.app, asked.repository, _bytes(wanted.secret), by=asked.person.login)
    note(asked.request, "repository.secret", asked.repository)
    told = asked.answer(
        HookSecret(hook_url=facts_of(asked.app, asked.repository).hook_url, secret_value=made), status=201
    )
    told.headers["Cache-Control"] = "no-store"
    return told


@router.put("/{owner}/{name}/forge-token", response_model=shape_of(RepositoryFacts), dependencies=_OWN)
def forge_token(asked: InRepository, wanted: Annotated[ForgeToken, Body()]) -> Response:
    """Set the token with which its forge is told of runs."""
    set_token(asked.app, asked.repository, _bytes(wanted.token) or b"", by=asked.person.login)
    note(asked.request, "repository.token", asked.repository)
    return asked.answer(facts_of(asked.app, asked.repository))


@router.get(
    "/{owner}/{name}/hook-script",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=_OWN,
)
def post_receive(asked: InRepository) -> PlainTextResponse:
    """The `post-receive` script of a plain repository; it reads the secret from `hooks/ecluse.secret` beside it."""
    return PlainTextResponse(hook_script(asked.app, asked.repository), headers={"Cache-Control": "no-store"})


@router.get("/{owner}/{name}/messages", response_model=page_of(OutboxItem), dependencies=_OWN)
def messages(asked: InRepository, limit: Limit = 20, cursor: Cursor = "") -> Response:
    """What its forge was told, newest first, what waits to be told, and what was given up."""
    name = asked.app.intake.find_repository(asked.repository).name
    found = asked.app.outbox.messages(repository=name, limit=limit + 1, before=cursor)
    return asked.page(found, limit=limit, cursor=lambda item: item.id)


def _elsewhere(url: str) -> None:
    if not host_of(url):
        raise RefusedError(
            "a folder of the server's machine is no address that the API takes",
            hint="call `ecluse repository add` on that machine",
        )


def _bytes(word: str | None) -> bytes | None:
    return None if word is None else word.encode("utf-8", "replace")
