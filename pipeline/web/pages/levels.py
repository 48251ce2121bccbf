"""The environments of a repository as its pages need them: those that count now, looked up once in a while."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from pipeline.errors import EcluseError
from pipeline.model.account import Role
from pipeline.model.plan import Plan
from pipeline.operations.board import Board, board, board_judge
from pipeline.operations.origins import Environments, of_policy
from pipeline.operations.policy import policy_of
from pipeline.operations.repositories import url_of
from pipeline.operations.serving.place import environments_of, folder_of
from pipeline.ports.application import Application
from pipeline.web.access.principal import Principal

FRESH = 10.0
"""Seconds for which definitions are believed: what is shown, not what is done, for that asks anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A board, and why it may not be the newest word; "" where it is."""

    name: str
    board: Board
    problem: str = ""


_lock = threading.Lock()
_known: dict[tuple[int, str], tuple[float, Environments, str]] = {}


def shown_board(app: Application, name: str, principal: Principal) -> Shown:
    """The board of a repository, as far as somebody may see it; where its clone cannot be asked, with the environments
    of its newest run."""
    found, problem = _environments(app, name)
    mine = tuple(item for item in found.environments if principal.may(Role.VIEWER, name, item.name))
    judge = board_judge(app, found, folder=folder_of(app, name), person=principal.login)
    seen = board(app, repository=url_of(app, name), environments=mine, judge=judge)
    return Shown(name=name, board=seen, problem=problem)


def _environments(app: Application, name: str) -> tuple[Environments, str]:
    key, now = (id(app), name), app.clock.monotonic()
    with _lock:
        kept = _known.get(key)
    if kept is not None and now - kept[0] < FRESH:
        return kept[1], kept[2]
    found, problem = _asked(app, name)
    with _lock:
        if len(_known) > 1000:
            _known.clear()
        _known[key] = (now, found, problem)
    return found, problem


def _asked(app: Application, name: str) -> tuple[Environments, str]:
    try:
        return environments_of(app, name), ""
    except EcluseError as error:
        problem = f"{error.message}; these are the environments of its newest run"
    policy = policy_of(app.settings)
    if policy.environments is not None:
        return Environments(policy=policy, environments=of_policy(policy)), ""
    for run in app.records.glance(repository=url_of(app, name), limit=1):
        try:
            plan = Plan.from_json(app.records.plan(run.id))
        except ValueError:
            break
        return Environments(policy=policy, environments=plan.environments), problem
    return Environments(policy=policy, environments=()), problem
