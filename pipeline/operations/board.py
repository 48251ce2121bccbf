"""The board of a repository: its environments as levels, from the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.delivery.admission import Question
from pipeline.delivery.board import Level, levels
from pipeline.delivery.planning import plan_of
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import CommandRule, HttpRule, Verdict
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PromotionState
from pipeline.operations.inspect import live_releases, removals
from pipeline.operations.judging import judge_of
from pipeline.operations.origins import Environments
from pipeline.ports.application import Application

_PROMOTIONS = 1000

Judge = Callable[[Release, EnvironmentDefinition, str, Promotion | None], Verdict]
"""What the gates of an environment say to a release now, given the release that it would replace, and the promotion
that waits, where somebody has asked for it."""


def board_judge(app: Application, found: Environments, *, folder: Path | None, person: str) -> Judge:
    """What the gates say. Those that run a command or ask a server are left to the promotion itself: looking at a
    board starts nothing."""
    ask = judge_of(app, policy=found.policy, folder=folder)

    def judge(
        release: Release, environment: EnvironmentDefinition, replaces: str, promotion: Promotion | None
    ) -> Verdict:
        quiet = tuple(gate for gate in environment.gates if not isinstance(gate.rule, CommandRule | HttpRule))
        kind = promotion.kind if promotion else PromotionKind.PROMOTE
        plan = plan_of(release.id, environment, replaces=replaces, kind=kind, policy=found.policy.revision)
        question = Question(
            release=release,
            environment=replace(environment, gates=quiet),
            plan=plan,
            requester=promotion.requested_by if promotion else person,
            automatic=False,
            promotion=promotion,
        )
        return ask(question)

    return judge


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """All levels, lowest first, with the releases that they name."""

    repository: str
    time: datetime
    levels: tuple[Level, ...]
    releases: Mapping[str, Release]


def board(
    app: Application, *, repository: str, environments: Sequence[EnvironmentDefinition], judge: Judge | None = None
) -> Board:
    """As the records say now; each candidate with its verdict where somebody judges."""
    records, now = app.records, app.clock.now()
    promotions = records.promotions(repository=repository, limit=_PROMOTIONS)
    live = live_releases(promotions, removals(records, promotions))
    named = {name for item in promotions[:200] for name in (item.release, item.replaces)}
    named |= {item.release for item in live.values()}
    blocks = records.blocks(repository=repository, open_at=now)
    named |= {item.release for item in blocks}
    releases = {
        item.id: item for item in records.releases(repository=repository, limit=_PROMOTIONS) if item.id in named
    }
    known = {item.name: item for item in environments}
    missing = {
        item.id: _missing(judge(releases[item.release], known[item.environment], item.replaces, item))
        for item in promotions
        if judge is not None and item.state is PromotionState.WAITING
        if item.environment in known and item.release in releases
    }
    found = levels(environments, promotions, releases, blocks, live=live, missing=missing, now=now)
    if judge is not None:
        found = tuple(_judged(level, known[level.environment], judge) for level in found)
    return Board(repository=repository, time=now, levels=found, releases=releases)


def _missing(verdict: Verdict) -> Mapping[str, str]:
    """Gate to reason. One that waits although nothing is missing can go on."""
    return {item.gate: item.reason for item in verdict.missing} or {"open": "`ecluse promote --resume` goes on with it"}


def _judged(level: Level, environment: EnvironmentDefinition, judge: Judge) -> Level:
    if level.candidate is None:
        return level
    verdict = judge(level.candidate.release, environment, level.live.release if level.live else "", None)
    return replace(level, candidate=replace(level.candidate, verdict=verdict))
