"""Gathering what the figures of delivery are made of: promotions from the records, commit times from git."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean

from pipeline.delivery.dora import Delivered, Dora, Step, measure, value_stream
from pipeline.errors import NotFoundError, SourceError
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState
from pipeline.operations.commits import commit_note, commits_between
from pipeline.operations.contents import run_of
from pipeline.ports.application import Application

_MOST = 100_000


def dora(app: Application, place: Path, *, repository: str, environment: str, days: int) -> Dora:
    """The figures of an environment over the latest days. NotFoundError where nothing was ever deployed there."""
    until = app.clock.now()
    since = until - timedelta(days=days)
    promotions = sorted(
        app.records.promotions(repository=repository, limit=_MOST), key=lambda item: (item.created, item.id)
    )
    mine = [item for item in promotions if item.environment == environment]
    if not mine:
        known = ", ".join(sorted({item.environment for item in promotions}))
        raise NotFoundError(
            f"nothing was ever deployed to an environment '{environment}'",
            hint=f"known environments: {known}" if known else "a stage of kind deploy brings releases there",
        )
    releases = {release.id: release for release in app.records.releases(repository=repository, limit=_MOST)}
    delivered = [_delivered(item, releases, place, since) for item in mine]
    stream = _stream(app, place, promotions, environment, since=since, until=until)
    return measure(environment, delivered, since=since, until=until, stream=stream)


def _delivered(promotion: Promotion, releases: dict[str, Release], place: Path, since: datetime) -> Delivered:
    """The commits that it brought; of the very first deployment only its own, not the whole history."""
    new = releases.get(promotion.release)
    counts = promotion.kind is PromotionKind.PROMOTE and promotion.state is PromotionState.DEPLOYED
    if new is None or not counts or promotion.finished is None or promotion.finished < since:
        return Delivered(promotion=promotion)
    old = releases.get(promotion.replaces)
    try:
        if old is None:
            return Delivered(promotion=promotion, commits=(commit_note(place, new.commit).time,))
        added = commits_between(place, old.commit, new.commit).added
        return Delivered(promotion=promotion, commits=tuple(item.time for item in added))
    except SourceError:
        return Delivered(promotion=promotion)


def _stream(
    app: Application,
    place: Path,
    promotions: Sequence[Promotion],
    environment: str,
    *,
    since: datetime,
    until: datetime,
) -> tuple[Step, ...]:
    """From the commit over its run and every environment before to this one, for the releases that came here."""
    arrived: dict[str, dict[str, datetime]] = {}
    for item in promotions:
        good = item.state is PromotionState.DEPLOYED and item.kind is PromotionKind.PROMOTE
        if good and item.finished is not None:
            arrived.setdefault(item.release, {}).setdefault(item.environment, item.finished)
    journeys = []
    for reference, stations in arrived.items():
        here = stations.get(environment)
        if here is None or not since <= here < until:
            continue
        journey = {name: time for name, time in stations.items() if time <= here}
        journeys.append({**_made(app, place, reference), **journey})
    return value_stream(journeys, _order(journeys))


def _order(journeys: Sequence[Mapping[str, datetime]]) -> list[str]:
    """The stations as releases pass them: by how many were passed before, on average."""
    ranks: dict[str, list[int]] = {}
    for journey in journeys:
        for name, time in journey.items():
            ranks.setdefault(name, []).append(sum(other < time for other in journey.values()))
    return sorted(ranks, key=lambda name: (mean(ranks[name]), name))


def _made(app: Application, place: Path, reference: str) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    try:
        release = app.records.find_release(reference)
    except NotFoundError:
        return found
    run = run_of(app, release)
    if run is not None:
        found["run"] = run.created
    with suppress(SourceError):
        found["commit"] = commit_note(place, release.commit).time
    return found
