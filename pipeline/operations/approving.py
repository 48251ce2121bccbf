"""Saying yes or no to a promotion: signed by somebody whom the policy knows."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.delivery.admission import Question
from pipeline.delivery.journal import PromotionJournal, Requester
from pipeline.delivery.proof import signed, vouched
from pipeline.errors import RefusedError, UsageError
from pipeline.model.decision import Answer, Approval
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import ApprovalRule, Verdict
from pipeline.model.policy import Policy
from pipeline.model.release import Promotion, PromotionPlan
from pipeline.model.status import PromotionState
from pipeline.model.ulid import ulid
from pipeline.model.value import Value
from pipeline.operations.judging import judge_of
from pipeline.operations.resume import waits_beside
from pipeline.operations.surroundings import Surroundings
from pipeline.ports.application import Application

_PLANNED = ("promotion.requested", "promotion.replanned")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """An answer that was kept, what the gates say now, and whether a process that waits was told."""

    approval: Approval
    promotion: Promotion
    verdict: Verdict
    told: bool = False


def answer(
    app: Application,
    place: Surroundings,
    *,
    promotion: str,
    answer: Answer,
    reason: str,
    key: Path | None,
    means: str = "",
) -> Answered:
    """Keep the answer with its proof. RefusedError for somebody who has no say; UsageError for a promotion that does
    not wait for anybody. `means` is by what a server knows that the place's person is signed in."""
    found = app.records.find_promotion(promotion)
    if found.state not in (PromotionState.PLANNED, PromotionState.WAITING):
        raise UsageError(
            f"promotion {found.id} does not wait: it is {found.state.value.replace('_', ' ')}",
            hint=f"`ecluse history {found.environment}` shows what became of it",
        )
    environment = place.environment(found.environment)
    at_server = bool(place.person) and key is None
    server = _server_key(app, place.policy) if at_server and means else None
    person = place.person if at_server else _person(app, place.policy, environment, key)
    if at_server and server is None and not environment.allow_dirty:
        raise RefusedError(
            f"the policy does not believe this server when it says who answers for '{environment.name}'",
            hint="the policy's `servers` has to list its public key (setting ledger_key); or sign with your own key",
        )
    _check_group(place.policy, environment, person)
    now = app.clock.now()
    given = Approval(
        id=ulid(now, os.urandom(10)),
        promotion=found.id,
        plan=found.plan,
        person=person,
        answer=answer,
        reason=reason,
        time=now,
    )
    if key is not None:
        given = signed(given, signing=app.signing, key=key)
    elif server is not None:
        given = vouched(given, means=means, signing=app.signing, key=server)
    app.records.save_approval(given, actor=person)
    verdict = judge_of(app, policy=place.policy, folder=place.folder)(_question(app, found, environment))
    if answer is Answer.REJECT and verdict.refused:
        requester = Requester(actor=person, repository=place.repository, service=place.service)
        journal = PromotionJournal(requester=requester, records=lambda: app.records, clock=app.clock)
        found = journal.move(found, PromotionState.REFUSED, detail=f"rejected by {person}: {reason}")
    told = bool(found.run) and waits_beside(app, found.run)
    return Answered(approval=given, promotion=found, verdict=verdict, told=told)


def plan_of_promotion(app: Application, promotion: Promotion) -> PromotionPlan:
    """The plan that its digest stands for, from the ledger."""
    told = app.records.entries(actions=_PLANNED, subjects=(promotion.id,), newest=1)
    plan = told[-1].data.get("plan") if told else None
    words: dict[str, Value] = dict(plan) if isinstance(plan, dict) else {}
    return PromotionPlan(
        release=promotion.release,
        replaces=promotion.replaces,
        environment=promotion.environment,
        kind=promotion.kind,
        configuration=promotion.configuration,
        policy=str(words.get("policy", promotion.policy)),
        strategy=str(words.get("strategy", "")),
    )


def _question(app: Application, promotion: Promotion, environment: EnvironmentDefinition) -> Question:
    return Question(
        release=app.records.find_release(promotion.release),
        environment=environment,
        plan=plan_of_promotion(app, promotion),
        requester=promotion.requested_by,
        automatic=bool(promotion.run),
        promotion=promotion,
    )


def _person(app: Application, policy: Policy, environment: EnvironmentDefinition, key: Path | None) -> str:
    """Whose key it is; without one, the user of this machine, whose word counts only where anything goes."""
    if key is None:
        if environment.allow_dirty:
            return getpass.getuser()
        raise RefusedError(
            f"a name of this machine proves nothing: an answer to '{environment.name}' has to be signed",
            hint="sign it with your key: --key FILE (the policy lists its public half)",
        )
    public = app.signing.public_key(key)
    if person := policy.owner_of(public):
        return person
    raise RefusedError(
        f"the policy knows nobody with the key in {key}",
        hint=f"its public half is {public}; whoever keeps {policy.file or 'the policy'} can add it",
    )


def _server_key(app: Application, policy: Policy) -> Path | None:
    """The key of this server, where the policy believes it."""
    if not app.settings.ledger_key:
        return None
    key = Path(app.settings.ledger_key).expanduser()
    return key if app.signing.public_key(key) in policy.servers else None


def _check_group(policy: Policy, environment: EnvironmentDefinition, person: str) -> None:
    groups = [gate.rule.group for gate in environment.gates if isinstance(gate.rule, ApprovalRule)]
    if not groups:
        raise UsageError(
            f"environment '{environment.name}' asks nobody for approval", hint="its gates are where it is written"
        )
    if environment.allow_dirty or any(person in policy.members(group) for group in groups):
        return
    raise RefusedError(
        f"{person} has no say in '{environment.name}': that is for {', '.join(dict.fromkeys(groups))}",
        hint="ask one of them",
    )
