"""Two releases side by side: which commits, images, packages, findings and values differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.delivery.difference import Difference, compare
from pipeline.delivery.notes import Notes, write_notes
from pipeline.errors import NotFoundError, SourceError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.release import Promotion, Release
from pipeline.operations.commits import commits_between
from pipeline.operations.contents import contents_of
from pipeline.operations.deployed import deployed
from pipeline.operations.inspect import live_releases, removals
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseNotes:
    """The commits on the way from one release (None: from nothing) to another."""

    old: Release | None
    new: Release
    notes: Notes


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All that differs; `notes` are None, with the `problem`, where git could not tell."""

    old: Release
    new: Release
    difference: Difference
    notes: Notes | None
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """What the ledger says is in place in an environment."""

    promotion: Promotion
    release: Release
    environment: EnvironmentDefinition | None
    """As the run that deployed it knew it; None where that run is forgotten."""


def notes(app: Application, place: Path, old: str, new: str) -> ReleaseNotes:
    """Between two releases, or from the beginning to `new` where `old` is "". Raises NotFoundError, SourceError."""
    newer = app.records.find_release(new)
    older = app.records.find_release(old) if old else None
    commits = commits_between(place, older.commit if older else "", newer.commit)
    return ReleaseNotes(old=older, new=newer, notes=write_notes(commits))


def compare_environments(app: Application, place: Path, repository: str, first: str, second: str) -> Comparison:
    """What `second` would change on its way to what `first` has: from the release there to the release here."""
    new, old = (live_in(app, repository, name) for name in (first, second))
    return compare_releases(
        app,
        place,
        old.release,
        new.release,
        old_configuration=old.environment,
        new_configuration=new.environment,
    )


def compare_releases(
    app: Application,
    place: Path,
    old: Release,
    new: Release,
    *,
    old_configuration: EnvironmentDefinition | None = None,
    new_configuration: EnvironmentDefinition | None = None,
) -> Comparison:
    """Images, packages, findings and commits of two releases, and the configuration of two environments."""
    difference = compare(
        contents_of(app, old, configuration=old_configuration.configuration if old_configuration else None),
        contents_of(app, new, configuration=new_configuration.configuration if new_configuration else None),
    )
    try:
        written, problem = write_notes(commits_between(place, old.commit, new.commit)), ""
    except SourceError as error:
        written, problem = None, error.message
    return Comparison(old=old, new=new, difference=difference, notes=written, problem=problem)


def live_in(app: Application, repository: str, environment: str) -> Live:
    """What the ledger says is in place. NotFoundError, with the environments that have something, where nothing is."""
    promotions = app.records.promotions(repository=repository, limit=1000)
    live = live_releases(promotions, removals(app.records, promotions))
    promotion = live.get(environment)
    if promotion is None:
        known = ", ".join(sorted(live))
        raise NotFoundError(
            f"nothing is deployed to an environment '{environment}' of this repository",
            hint=f"deployed: {known}" if known else "a stage of kind deploy brings releases there",
        )
    return Live(
        promotion=promotion,
        release=app.records.find_release(promotion.release),
        environment=_definition(app, promotion),
    )


def _definition(app: Application, promotion: Promotion) -> EnvironmentDefinition | None:
    try:
        return deployed(app, promotion).environment
    except NotFoundError:
        return None
