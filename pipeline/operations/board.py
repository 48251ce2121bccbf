"""The board of a repository: its environments as levels, from the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.delivery.admission import VERDICT, Question
from pipeline.delivery.board import Level, levels
from pipeline.delivery.planning import plan_of
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import CommandRule, GateState, HttpRule, Verdict
from pipeline.model.release import Promotion, Release
from pipeline.model.status import PromotionState
from pipeline.model.value import Value
from pipeline.operations.inspect import live_releases, removals
from pipeline.operations.judging import judge_of
from pipeline.operations.origins import Environments
from pipeline.ports.application import Application
from pipeline.ports.records import Records

_PROMOTIONS = 1000

Judge = Callable[[Release, EnvironmentDefinition, str], Verdict]
"""What the gates of an environment say to a release now; the last word is the release that it would replace."""


def candidate_judge(app: Application, found: Environments, *, folder: Path | None, person: str) -> Judge:
    """What the gates say to a release that nobody has asked for yet. Gates that run a command or ask a server are left
    to the promotion itself: looking at a board starts nothing."""
    ask = judge_of(app, policy=found.policy, folder=folder)

    def judge(release: Release, environment: EnvironmentDefinition, replaces: str) -> Verdict:
        quiet = tuple(gate for gate in environment.gates if not isinstance(gate.rule, CommandRule | HttpRule))
        place = replace(environment, gates=quiet)
        plan = plan_of(release.id, place, replaces=replaces, policy=found.policy.revision)
        return ask(Question(release=release, environment=place, plan=plan, requester=person, automatic=False))

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
    found = levels(
        environments, promotions, releases, blocks, live=live, missing=_missing(records, promotions), now=now
    )
    known = {item.name: item for item in environments}
    if judge is not None:
        found = tuple(_judged(level, known[level.environment], judge) for level in found)
    return Board(repository=repository, time=now, levels=found, releases=releases)


def _missing(records: Records, promotions: Sequence[Promotion]) -> Mapping[str, Mapping[str, str]]:
    """By promotion that waits: what its gates said last."""
    waiting = [item.id for item in promotions if item.state is PromotionState.WAITING]
    if not waiting:
        return {}
    entries = records.entries(actions=(VERDICT,), subjects=waiting, newest=_PROMOTIONS)
    return {entry.subject: _reasons(entry.data.get("answers")) for entry in entries}  # the newest comes last, and stays


def _reasons(answers: Value) -> Mapping[str, str]:
    given = [item for item in answers if isinstance(item, Mapping)] if isinstance(answers, list) else []
    return {
        str(item.get("gate")): str(item.get("reason")) for item in given if item.get("state") != GateState.PASSED.value
    }


def _judged(level: Level, environment: EnvironmentDefinition, judge: Judge) -> Level:
    if level.candidate is None:
        return level
    verdict = judge(level.candidate.release, environment, level.live.release if level.live else "")
    return replace(level, candidate=replace(level.candidate, verdict=verdict))
