"""Promotions: what one would do, asking for it, saying yes or no, going back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import NotFoundError
from pipeline.model.account import Role
from pipeline.model.decision import Answer, Approval
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.work import PromotionWish, WorkItem
from pipeline.operations.approving import Answered
from pipeline.operations.promote import Outlook
from pipeline.operations.serving.promoting import answer_promotion, ask_promotion, promotion_outlook
from pipeline.web.access.asking import need
from pipeline.web.api.answers import Cursor, Limit
from pipeline.web.api.asked import Asked, AskedThere, InEnvironment, InRepository
from pipeline.web.api.problem_schemas import PROBLEMS
from pipeline.web.api.shapes import page_of, shape_of

router = APIRouter(prefix="/api/v1/repositories/{owner}/{name}", tags=["promotions"], responses=PROBLEMS)

Reference = Annotated[str, Path(max_length=64, description="a promotion's id, its beginning or its end")]
_READ = [Depends(need(Role.VIEWER))]
_DELIVER = [Depends(need(Role.RELEASE_MANAGER))]


class Bringing(BaseModel):
    """A release that is to be brought in."""

    model_config = ConfigDict(extra="forbid")
    release: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="", max_length=2000)
    override: str = Field(default="", max_length=2000, description="why the gates are opened by force; needs the right")


class GoingBack(BaseModel):
    """An environment that is to go back."""

    model_config = ConfigDict(extra="forbid")
    release: str = Field(default="", max_length=200, description="what was verified before what is live, else")
    reason: str = Field(min_length=1, max_length=2000)


class Putting(BaseModel):
    """What the ledger says is live is to be put back."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=2000)


class Saying(BaseModel):
    """An answer to a promotion that waits."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=2000)


@router.get("/promotions", response_model=page_of(Promotion), dependencies=_READ)
def promotions(
    asked: InRepository,
    environment: Annotated[str, Query(max_length=200)] = "",
    under_way: bool = False,
    limit: Limit = 20,
    cursor: Cursor = "",
) -> Response:
    """Promotions, newest first."""
    found = asked.app.records.promotions(
        repository=asked.url, environment=environment, under_way=under_way, limit=limit + 1, before=cursor
    )
    return asked.page(found, limit=limit, cursor=lambda item: item.id, keep=lambda item: asked.sees(item.environment))


@router.get("/promotions/{promotion}", response_model=shape_of(Promotion), dependencies=_READ)
def promotion(asked: InRepository, promotion: Reference) -> Response:
    """One promotion, with what its checks measured."""
    return asked.answer(_own(asked, promotion))


@router.get("/promotions/{promotion}/approvals", response_model=list[shape_of(Approval)], dependencies=_READ)  # type: ignore[misc]
def approvals(asked: InRepository, promotion: Reference) -> Response:
    """What people said to it, oldest first."""
    return asked.answer(asked.app.records.approvals(promotion=_own(asked, promotion).id))


@router.get("/environments/{environment}/outlook", response_model=shape_of(Outlook), dependencies=_READ)
def outlook(
    asked: InEnvironment,
    release: Annotated[str, Query(max_length=200, description="of a rollback: leave it away for the one before")] = "",
    kind: PromotionKind = PromotionKind.PROMOTE,
) -> Response:
    """What a promotion, a rollback or a restore would do now, and what the gates say. Nothing is written."""
    wish = PromotionWish(kind=kind, environment=asked.environment, release=release)
    return asked.answer(promotion_outlook(asked.app, asked.repository, wish, by=asked.person.login))


@router.post(
    "/environments/{environment}/promote", status_code=202, response_model=shape_of(WorkItem), dependencies=_DELIVER
)
def promote(asked: InEnvironment, wanted: Annotated[Bringing, Body()]) -> Response:
    """Ask for a release to be brought in once the gates are open. The item's `id` will be the promotion's."""
    wish = PromotionWish(
        kind=PromotionKind.PROMOTE,
        environment=asked.environment,
        release=wanted.release,
        reason=wanted.reason,
        override=wanted.override,
    )
    return _wished(asked, wish)


@router.post(
    "/environments/{environment}/rollback", status_code=202, response_model=shape_of(WorkItem), dependencies=_DELIVER
)
def rollback(asked: InEnvironment, wanted: Annotated[GoingBack, Body()]) -> Response:
    """Go back to what was verified there before, without gates; the environment is held until somebody lifts it."""
    wish = PromotionWish(
        kind=PromotionKind.ROLLBACK, environment=asked.environment, release=wanted.release, reason=wanted.reason
    )
    return _wished(asked, wish)


@router.post(
    "/environments/{environment}/restore",
    status_code=202,
    response_model=shape_of(WorkItem),
    dependencies=[Depends(need(Role.OPERATOR))],
)
def restore(asked: InEnvironment, wanted: Annotated[Putting, Body()]) -> Response:
    """Put back what the ledger says is live, where something else runs."""
    wish = PromotionWish(kind=PromotionKind.RESTORE, environment=asked.environment, reason=wanted.reason)
    return _wished(asked, wish)


@router.post(
    "/environments/{environment}/promotions/{promotion}/approve",
    response_model=shape_of(Answered),
    dependencies=_DELIVER,
)
def approve(asked: InEnvironment, promotion: Reference, said: Annotated[Saying, Body()]) -> Response:
    """Say yes to it as it is planned now. The policy says who is asked."""
    return _said(asked, promotion, Answer.APPROVE, said.reason)


@router.post(
    "/environments/{environment}/promotions/{promotion}/reject",
    response_model=shape_of(Answered),
    dependencies=_DELIVER,
)
def reject(asked: InEnvironment, promotion: Reference, said: Annotated[Saying, Body()]) -> Response:
    """Say no to it: it is refused, whatever others say."""
    return _said(asked, promotion, Answer.REJECT, said.reason)


def _wished(asked: AskedThere, wish: PromotionWish) -> Response:
    item = ask_promotion(asked.app, asked.repository, wish, by=asked.person.login, key=asked.key)
    return asked.answer(item, status=202)


def _said(asked: AskedThere, promotion: str, word: Answer, reason: str) -> Response:
    found = _own(asked, promotion)
    if found.environment != asked.environment:
        raise NotFoundError(
            f"'{asked.environment}' has no promotion '{promotion}'", hint=f"it is of '{found.environment}'"
        )
    person = asked.person
    told = answer_promotion(
        asked.app, asked.repository, found.id, answer=word, reason=reason, by=person.login, means=person.means
    )
    return asked.answer(told)


def _own(asked: Asked, reference: str) -> Promotion:
    """A promotion of this repository; those of others are not there for whoever asks here."""
    found = asked.app.records.find_promotion(reference)
    release = asked.app.records.find_release(found.release)
    if release.repository != asked.url or not asked.sees(found.environment):
        raise NotFoundError(f"{asked.repository} has no promotion '{reference}'", hint="`promotions` lists them")
    return found
