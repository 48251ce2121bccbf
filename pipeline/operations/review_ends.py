"""Review environments that are over: their time has passed or their branch is gone. Found from the records, and taken
away."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.delivery.board import review_end
from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.definition import EnvironmentDefinition, ReviewSource
from pipeline.model.duration import spell_duration
from pipeline.model.plan import Plan
from pipeline.model.release import Promotion
from pipeline.operations.environments import remove_environment
from pipeline.operations.inspect import live_releases, removals
from pipeline.operations.source import git_environment
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress

ACTOR: Final = "gc"
_ALL: Final = 10_000
_ASK_WITHIN: Final = 10.0
"""Seconds that the repository's server may take to say which branches there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """A review environment that is live, as the run that deployed to it knew it."""

    environment: EnvironmentDefinition
    promotion: Promotion
    branch: str
    """Where it stands for a branch: which. "" for one of a pull request, whose branch may be another repository's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewEnd:
    """A review environment that is over, and why. `problem`: why it could not be taken away."""

    promotion: Promotion
    reason: str
    problem: str = ""


def reviews(app: Application, repository: str) -> tuple[Review, ...]:
    """What is live of a repository in review environments. RecordsError."""
    own = app.records.promotions(repository=repository, limit=_ALL)
    return _reviews(app, own)


def with_reviews_that_live(
    app: Application, repository: str, environments: Sequence[EnvironmentDefinition]
) -> tuple[EnvironmentDefinition, ...]:
    """The environments, each written review environment followed by those that live of it."""
    written = {item.instance_of or item.name for item in environments if item.review is not None}
    if not written:
        return tuple(environments)
    known = {item.name for item in environments}
    living = [
        item.environment
        for item in reviews(app, repository)
        if item.environment.name not in known and item.environment.instance_of in written
    ]
    return (*environments, *sorted(living, key=lambda item: item.name))


def review_ends(app: Application) -> tuple[ReviewEnd, ...]:
    """Those of all repositories whose time has passed, oldest first. RecordsError."""
    found = [end for own in _by_repository(app).values() for end in _past(app, _reviews(app, own))]
    return tuple(sorted(found, key=lambda item: item.promotion.id))


def review_ends_at(
    app: Application, repository: str, folder: Path, *, but: Collection[str] = ()
) -> tuple[ReviewEnd, ...]:
    """Those of the repository that lies in a folder, also where their branch is gone, except the environments `but`.

    A branch is gone when the repository's server says so, where it has one. Where that does not answer, it is not.
    """
    found = [item for item in reviews(app, repository) if item.environment.name not in but]
    ends = _past(app, found)
    over = {item.promotion.id for item in ends}
    left = [item for item in found if item.branch and item.promotion.id not in over]
    branches = _branches(folder) if left else None
    if branches:
        gone = [item for item in left if item.branch not in branches]
        ends += [ReviewEnd(promotion=item.promotion, reason=f"branch {item.branch} is gone") for item in gone]
    return tuple(sorted(ends, key=lambda item: item.promotion.id))


def end_reviews(app: Application, ends: Sequence[ReviewEnd]) -> tuple[ReviewEnd, ...]:
    """Take them away, each with a line in the ledger; what stands in the way of one is in its `problem`. One to which
    something is being deployed stays."""
    done: list[ReviewEnd] = []
    for item in ends:
        problem = ""
        try:
            _take_away(app, item.promotion, item.reason)
        except EcluseError as error:
            problem = error.message
        done.append(replace(item, problem=problem))
    return tuple(done)


def _take_away(app: Application, promotion: Promotion, reason: str) -> None:
    """Nobody is waited for: who deploys there just now wants it to stay. CancelledError then."""
    busy = Cancellation()

    def leave(waiting: str) -> None:
        busy.cancel(waiting.removesuffix("; waiting"))

    remove_environment(app, promotion, actor=ACTOR, reason=reason, progress=leave, cancel=busy)


def tidy_reviews(
    app: Application, repository: str, folder: Path, *, but: Collection[str] = (), progress: Progress
) -> None:
    """Take away what is over, a line each. What goes wrong is said, and is no reason to stop for whoever came for
    something else."""
    try:
        ends = end_reviews(app, review_ends_at(app, repository, folder, but=but))
    except EcluseError as error:
        progress(f"review environments were not looked at: {error.message}")
        return
    for item in ends:
        name = item.promotion.environment
        if item.problem:
            progress(f"could not take away {name} ({item.reason}): {item.problem}")
        else:
            progress(f"took away {name}: {item.reason}")


def _past(app: Application, found: Sequence[Review]) -> list[ReviewEnd]:
    now = app.clock.now()
    ends: list[ReviewEnd] = []
    for item in found:
        end = review_end(item.environment, item.promotion)
        if end is not None and item.environment.review is not None and now >= end:
            lasting = spell_duration(item.environment.review.lasting)
            reason = f"its time is over: {lasting} after the last deployment"
            ends.append(ReviewEnd(promotion=item.promotion, reason=reason))
    return ends


def _reviews(app: Application, own: Sequence[Promotion]) -> tuple[Review, ...]:
    live = live_releases(own, removals(app.records, own))
    found = (_review(app, item, [one for one in own if one.environment == name]) for name, item in live.items())
    return tuple(item for item in found if item is not None)


def _review(app: Application, live: Promotion, own: Sequence[Promotion]) -> Review | None:
    """By the newest run that deployed to it; None where it is no review environment."""
    for run in dict.fromkeys(item.run for item in own if item.run):
        try:
            plan = app.records.plan(run)
        except NotFoundError:
            continue
        written = plan.get("environments")
        names = [item.get("name") for item in written if isinstance(item, Mapping)] if isinstance(written, list) else []
        if live.environment not in names:
            continue
        environment = next(item for item in Plan.from_json(plan).environments if item.name == live.environment)
        if environment.review is None or not environment.instance_of:
            return None
        branch = ""
        if environment.review.source is ReviewSource.BRANCH:
            branch = app.records.find_run(run).branch
        return Review(environment=environment, promotion=live, branch=branch)
    return None


def _branches(folder: Path) -> frozenset[str] | None:
    """The branches that there are, by the server where the repository has one; None where that cannot be known."""
    remote = _git(folder, "remote")
    if remote is None:
        return None
    names = remote.split()
    if names:
        where = "origin" if "origin" in names else names[0]
        listed = _git(folder, "ls-remote", "--heads", "--quiet", where)
    else:
        listed = _git(folder, "for-each-ref", "--format=x\t%(refname)", "refs/heads/")
    if not listed:
        return None
    return frozenset(line.partition("\t")[2].removeprefix("refs/heads/") for line in listed.splitlines())


def _git(folder: Path, *words: str) -> str | None:
    try:
        answer = subprocess.run(
            ("git", "-C", folder, *words),
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_ASK_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode(errors="surrogateescape").strip() if answer.returncode == 0 else None


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
