"""Holding an environment as it is, freezing all of them, and letting go."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime

from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.model.decision import Block, BlockKind
from pipeline.model.policy import Right
from pipeline.model.ulid import ulid
from pipeline.operations.judging import person_behind
from pipeline.operations.surroundings import Surroundings
from pipeline.ports.application import Application

_RIGHTS = {BlockKind.HOLD: Right.HOLD, BlockKind.BAR: Right.HOLD, BlockKind.FREEZE: Right.FREEZE}


def block(
    app: Application,
    place: Surroundings,
    kind: BlockKind,
    *,
    environment: str,
    reason: str,
    until: datetime | None,
    right: Right | None = None,
) -> Block:
    """Keep promotions out until then. `environment` "" = all of them (a freeze). RefusedError without the right."""
    person = _allowed(place, right or _RIGHTS[kind])
    if environment:
        place.environment(environment)
    if not reason.strip():
        raise UsageError("it needs a reason", hint="--reason says it to everybody who meets it")
    now = app.clock.now()
    if until is not None and until <= now:
        raise UsageError(f"its end, {until:%Y-%m-%d %H:%M} UTC, is over already", hint="--until names a later time")
    made = Block(
        id=ulid(now, os.urandom(10)),
        kind=kind,
        repository=place.repository,
        environment=environment,
        owner=person,
        reason=reason,
        created=now,
        until=until,
    )
    app.records.save_block(made, actor=person, action=f"{kind.value}.set")
    return made


def lift(
    app: Application, place: Surroundings, kinds: frozenset[BlockKind], *, environment: str, release: str = ""
) -> tuple[Block, ...]:
    """End what stands of these kinds; of bars, those of one release. NotFoundError where nothing does."""
    now = app.clock.now()
    wanted = app.records.find_release(release).id if release else ""
    found = [
        item
        for item in app.records.blocks(repository=place.repository, environment=environment, open_at=now)
        if item.kind in kinds and item.environment == environment and (not wanted or item.release == wanted)
    ]
    if not found:
        where = f"'{environment}'" if environment else "all environments"
        raise NotFoundError(
            f"nothing of the kind stands in the way of {where}",
            hint="`ecluse promote RELEASE --to ENV --plan` shows what does",
        )
    lifted = []
    for item in found:
        person = _allowed(place, _RIGHTS[item.kind])
        ended = replace(item, lifted=now, lifted_by=person)
        app.records.save_block(ended, actor=person, action=f"{item.kind.value}.lifted")
        lifted.append(ended)
    return tuple(lifted)


def _allowed(place: Surroundings, right: Right) -> str:
    """Who asks; RefusedError where the policy gives that right to others."""
    person = person_behind(place.policy, place.requester().actor)
    if place.policy.may(person, right):
        return person
    groups = ", ".join(place.policy.rights.get(right, ())) or "nobody"
    raise RefusedError(f"{person} may not {right.value}: that is for {groups}", hint="the policy lists who may")
