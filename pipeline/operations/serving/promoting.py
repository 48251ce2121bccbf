"""Promotions on a server: people ask, a worker carries out, and what waits goes on when its gates open."""

from __future__ import annotations

from dataclasses import replace

from pipeline.delivery.admission import Question
from pipeline.delivery.journal import PromotionJournal
from pipeline.delivery.promoter import Order
from pipeline.delivery.promotion import WAITS
from pipeline.errors import EcluseError, NotFoundError, ParkedError, UsageError
from pipeline.model.decision import Answer, BlockKind
from pipeline.model.policy import Right
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.source import Event
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.model.work import PromotionWish, WorkItem, WorkKind, WorkRequest, WorkState
from pipeline.operations.approving import Answered, plan_of_promotion
from pipeline.operations.blocking import block
from pipeline.operations.judging import judge_of
from pipeline.operations.onward import bring_on, can_go_on
from pipeline.operations.origins import as_of_now
from pipeline.operations.promote import Outlook, outlook, promote
from pipeline.operations.promotion_order import again, back, forward, resumed
from pipeline.operations.serving.asking import HOST, new_item, put_once
from pipeline.operations.serving.place import place_of
from pipeline.operations.surroundings import Surroundings
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress


def promotion_outlook(app: Application, repository: str, wish: PromotionWish, *, by: str) -> Outlook:
    """What a promotion would do now, and what the gates say to it. Nothing is written."""
    place = place_of(app, repository, person=by)
    return outlook(app, place, order_of(app, place, wish))


def ask_promotion(app: Application, repository: str, wish: PromotionWish, *, by: str, key: str = "") -> WorkItem:
    """Queue a promotion; its id will be the item's. With a `key` that was given before, the item of then.

    NotFoundError and UsageError for what cannot be: an unknown release or environment, nothing to go back to.
    """
    order_of(app, place_of(app, repository, person=by), wish)
    request = WorkRequest(
        repository=repository, sha="", event=Event(kind="manual", actor=by, host=HOST), wish=wish, by=by
    )
    item = new_item(app, key, WorkKind.DELIVERY, request)
    if not key:
        item = replace(item, key=f"promotion:{item.id}")
    return put_once(app, item)


def answer_promotion(
    app: Application, repository: str, promotion: str, *, answer: Answer, reason: str, by: str, means: str = ""
) -> Answered:
    """Keep what a person said to a promotion who is signed in here, and let it go on where its gates are open now.

    `means` is by what they are signed in: a session or a token, by its id.
    """
    from pipeline.operations.approving import answer as keep

    place = place_of(app, repository, person=by)
    kept = keep(app, place, promotion=promotion, answer=answer, reason=reason, key=None, means=means)
    if kept.verdict.allowed or kept.verdict.refused:
        app.queue.wake(kept.promotion.run or kept.promotion.id)
    return kept


def carry_out(
    app: Application, item: WorkItem, *, cancel: Cancellation, progress: Progress = lambda _: None
) -> tuple[WorkState, str]:
    """Bring the item's promotion to its end, or until it waits: the state that the item gets, and why.

    A promotion that is known already is taken up, so whoever takes an item over begins no second one.
    """
    wish = item.request.wish
    if wish is None:
        raise ValueError(f"item {item.id} asks for no promotion")
    known = _known(app, item)
    if known is not None and not PROMOTION_MOVES[known.state]:
        return WorkState.DONE, _told(known)
    place = place_of(app, item.request.repository, person=item.request.by)
    if item.cancel and (known is None or known.state in WAITS):
        return WorkState.DONE, _given_up(app, place, known, f"cancelled by {item.cancel}")
    try:
        order = _order(app, place, item, wish, known)
        if wish.kind is PromotionKind.ROLLBACK and known is None:
            _hold(app, place, item, wish, order)
        ended = promote(app, place, order, wait=None, progress=progress, cancel=cancel)
        if ended.state is PromotionState.DEPLOYED and order.kind is PromotionKind.PROMOTE:
            bring_on(app, place, order.release, progress=progress, cancel=cancel)
    except ParkedError as error:
        return WorkState.PARKED, error.message
    except EcluseError as error:
        return WorkState.DONE, error.message
    return WorkState.DONE, _told(ended)


def may_go_on(app: Application, item: WorkItem) -> bool:
    """Whether the gates that a parked item waits for are open by now, or have said no for good."""
    if item.request.wish is None:
        try:
            return can_go_on(app, app.records.find_run(item.request.retry or item.id))
        except NotFoundError:
            return False
    promotion = _known(app, item)
    if promotion is None or not PROMOTION_MOVES[promotion.state]:
        return True
    place = place_of(app, item.request.repository, person=item.request.by)
    question = Question(
        release=app.records.find_release(promotion.release),
        environment=as_of_now(place.environment(promotion.environment), place.policy),
        plan=replace(plan_of_promotion(app, promotion), policy=place.policy.revision),
        requester=promotion.requested_by,
        automatic=False,
        promotion=promotion,
    )
    verdict = judge_of(app, policy=place.policy, folder=place.folder)(question)
    return verdict.allowed or verdict.refused


def order_of(app: Application, place: Surroundings, wish: PromotionWish) -> Order:
    """What a wish means now."""
    if wish.promotion:
        return resumed(app, place, promotion=wish.promotion, override=wish.override)
    match wish.kind:
        case PromotionKind.PROMOTE:
            if not wish.release:
                raise UsageError("no release was named", hint="name one by its id or name")
            return forward(
                app,
                place,
                release=wish.release,
                environment=wish.environment,
                reason=wish.reason,
                override=wish.override,
            )
        case PromotionKind.ROLLBACK:
            return back(app, place, environment=wish.environment, release=wish.release, reason=wish.reason)
        case PromotionKind.RESTORE:
            return again(app, place, environment=wish.environment, reason=wish.reason)


def _given_up(app: Application, place: Surroundings, known: Promotion | None, why: str) -> str:
    """End a promotion that has not begun to change anything."""
    if known is not None:
        journal = PromotionJournal(requester=place.requester(), records=lambda: app.records, clock=app.clock)
        journal.move(known, PromotionState.REFUSED, detail=why)
    return why


def _order(
    app: Application, place: Surroundings, item: WorkItem, wish: PromotionWish, known: Promotion | None
) -> Order:
    if known is not None:
        return resumed(app, place, promotion=known.id, override=wish.override)
    return replace(order_of(app, place, wish), id=item.id)


def _hold(app: Application, place: Surroundings, item: WorkItem, wish: PromotionWish, order: Order) -> None:
    """What is rolled back stays so until somebody lifts it; once, also where the item is taken over."""
    words = f"rolled back to {order.release.name} ({item.id})" + (f": {wish.reason}" if wish.reason else "")
    standing = app.records.blocks(repository=place.repository, environment=wish.environment, open_at=app.clock.now())
    if not any(found.reason == words for found in standing):
        block(app, place, BlockKind.HOLD, environment=wish.environment, reason=words, until=None, right=Right.ROLLBACK)


def _known(app: Application, item: WorkItem) -> Promotion | None:
    wish = item.request.wish
    try:
        return app.records.find_promotion((wish.promotion if wish else "") or item.id)
    except NotFoundError:
        return None


def _told(promotion: Promotion) -> str:
    return f"{promotion.state.value.replace('_', ' ')}: {promotion.detail}"
