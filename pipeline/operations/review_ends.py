"""Review environments whose time is over: found from the records, and taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.duration import spell_duration
from pipeline.model.release import Promotion
from pipeline.model.value import Value
from pipeline.operations.environments import remove_environment
from pipeline.operations.inspect import live_releases, removals
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation

ACTOR: Final = "gc"
_ALL: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewEnd:
    """A review environment that has had its time: `lasting` seconds since `promotion`. `problem`: why it could not be
    taken away."""

    promotion: Promotion
    lasting: float
    problem: str = ""


def review_ends(app: Application) -> tuple[ReviewEnd, ...]:
    """Of all repositories, oldest first. RecordsError."""
    now = app.clock.now()
    found: list[ReviewEnd] = []
    for own in _by_repository(app).values():
        for environment, promotion in live_releases(own, removals(app.records, own)).items():
            lasting = _lasting(app, [item for item in own if item.environment == environment])
            since: datetime = promotion.finished or promotion.created
            if lasting is not None and now >= since + timedelta(seconds=lasting):
                found.append(ReviewEnd(promotion=promotion, lasting=lasting))
    return tuple(sorted(found, key=lambda item: item.promotion.id))


def end_reviews(app: Application, ends: Sequence[ReviewEnd]) -> tuple[ReviewEnd, ...]:
    """Take them away, each with a line in the ledger; what stands in the way of one is in its `problem`."""
    done: list[ReviewEnd] = []
    for item in ends:
        problem = ""
        try:
            reason = f"its time is over: {spell_duration(item.lasting)} after the last deployment"
            _take_away(app, item.promotion, reason)
        except EcluseError as error:
            problem = error.message
        done.append(ReviewEnd(promotion=item.promotion, lasting=item.lasting, problem=problem))
    return tuple(done)


def _take_away(app: Application, promotion: Promotion, reason: str) -> None:
    """Nobody is waited for: who deploys there just now wants it to stay. CancelledError then."""
    busy = Cancellation()

    def leave(waiting: str) -> None:
        busy.cancel(waiting.removesuffix("; waiting"))

    remove_environment(app, promotion, actor=ACTOR, reason=reason, progress=leave, cancel=busy)


def _by_repository(app: Application) -> Mapping[str, list[Promotion]]:
    repositories: dict[str, str] = {}
    found: dict[str, list[Promotion]] = {}
    for promotion in app.records.promotions(limit=_ALL):
        if promotion.release not in repositories:
            try:
                repositories[promotion.release] = app.records.find_release(promotion.release).repository
            except NotFoundError:
                repositories[promotion.release] = ""
        found.setdefault(repositories[promotion.release], []).append(promotion)
    return found


def _lasting(app: Application, promotions: Sequence[Promotion]) -> float | None:
    """How long the environment stays, as the newest run that deployed to it had planned; None where it is no review
    environment."""
    for run in dict.fromkeys(item.run for item in promotions if item.run):
        try:
            environments = app.records.plan(run).get("environments")
        except NotFoundError:
            continue
        for item in environments if isinstance(environments, list) else []:
            if isinstance(item, Mapping) and item.get("name") == promotions[0].environment:
                return _seconds(item)
    return None


def _seconds(environment: Mapping[str, Value]) -> float | None:
    rule = environment.get("review")
    lasting = rule.get("lasting") if isinstance(rule, Mapping) and environment.get("instance_of") else None
    return float(lasting) if isinstance(lasting, int | float) else None
