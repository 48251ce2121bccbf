"""Gathering what gates look at, and asking the one predicate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipeline.delivery.admission import Judge, Question
from pipeline.delivery.gates import evaluate
from pipeline.delivery.proof import doubt
from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import ApprovalRule, DependencyRule, EvidenceRule, SoakRule, Verdict
from pipeline.model.gate_facts import Author, CheckAnswer, GateFacts, LiveInterval, LiveService, RunEvidence
from pipeline.model.ledger import plain_address
from pipeline.model.policy import Policy
from pipeline.model.release import PromotionKind, Release
from pipeline.operations.authors import authors_between
from pipeline.operations.gate_checks import ask_checks
from pipeline.operations.inspect import live_releases, removals
from pipeline.operations.live_intervals import live_intervals
from pipeline.operations.run_evidence import run_evidence
from pipeline.ports.application import Application

_ALL = 10_000
"""Promotions of a repository that are looked at."""


def judge_of(app: Application, *, policy: Policy, folder: Path | None) -> Judge:
    """The gates as this policy has them; `folder` is a clone of the repository, where there is one."""

    def judge(question: Question) -> Verdict:
        return evaluate(
            question.release,
            question.environment,
            facts_of(app, question, policy=policy, folder=folder),
            app.clock.now(),
        )

    return judge


def facts_of(app: Application, question: Question, *, policy: Policy, folder: Path | None) -> GateFacts:
    """Only what the environment's gates ask for is gathered."""
    records, environment, release = app.records, question.environment, question.release
    rules = tuple(gate.rule for gate in environment.gates)
    given = records.approvals(promotion=question.promotion.id) if question.promotion else ()
    proven = (
        replace(item, proof="") if item.proof and doubt(item, signing=app.signing, policy=policy) else item
        for item in given
    )
    now = app.clock.now()
    return GateFacts(
        policy=policy,
        kind=question.plan.kind,
        plan=question.plan.digest,
        requester=person_behind(policy, question.requester),
        automatic=question.automatic,
        approvals=tuple(proven),
        authors=_authors(app, question, policy, folder),
        evidence=_evidence(app, question),
        intervals=_intervals(app, question),
        blocks=tuple(records.blocks(repository=release.repository, environment=environment.name, open_at=now)),
        checks=_checks(app, question, policy, folder),
        services=tuple(_services(app, environment)) if any(isinstance(rule, DependencyRule) for rule in rules) else (),
        ledger=plain_address(app.settings.database),
        override=question.override,
    )


def _intervals(app: Application, question: Question) -> tuple[LiveInterval, ...]:
    """Only where somebody looks at them: it takes the whole history of the repository."""
    environment = question.environment
    soaks = any(isinstance(gate.rule, SoakRule) for gate in environment.gates)
    if question.plan.kind is PromotionKind.PROMOTE and not environment.after and not soaks:
        return ()
    promotions = app.records.promotions(repository=question.release.repository, limit=_ALL)
    return live_intervals(question.release.id, promotions, removed=removals(app.records, promotions))


def person_behind(policy: Policy, name: str) -> str:
    """Whom of the policy a name of this machine, or a git address, belongs to; the name itself where nobody."""
    return name if name in policy.people else policy.person_of(name) or name


def _checks(app: Application, question: Question, policy: Policy, folder: Path | None) -> Mapping[str, CheckAnswer]:
    """On the way back nobody is asked."""
    if question.plan.kind is not PromotionKind.PROMOTE:
        return {}
    return ask_checks(app, question.environment, question.release, policy=policy, folder=folder)


def _authors(app: Application, question: Question, policy: Policy, folder: Path | None) -> tuple[Author, ...] | None:
    rules = (gate.rule for gate in question.environment.gates)
    if not any(isinstance(rule, ApprovalRule) and "authors" in rule.excluded for rule in rules):
        return ()
    try:
        old = app.records.find_release(question.plan.replaces).commit if question.plan.replaces else ""
    except NotFoundError:
        return None
    return authors_between(folder, old, question.release.commit, policy)


def _evidence(app: Application, question: Question) -> RunEvidence | None:
    environment = question.environment
    if not environment.after and not any(isinstance(gate.rule, EvidenceRule) for gate in environment.gates):
        return None
    found = run_evidence(app.records, question.release, environment=environment.name, promotion=question.promotion)
    if found is None or not any(
        isinstance(gate.rule, EvidenceRule) and gate.rule.provenance for gate in environment.gates
    ):
        return found
    return replace(found, provenance=_with_provenance(app, question.release))


def _with_provenance(app: Application, release: Release) -> frozenset[str]:
    """The images that have one; one whose registry cannot be asked has none, and the gate stays shut."""
    found: set[str] = set()
    for image in release.images.values():
        with suppress(EcluseError):
            if app.registry().has_provenance(image):
                found.add(image)
    return frozenset(found)


def _services(app: Application, environment: EnvironmentDefinition) -> Iterator[LiveService]:
    """What the ledger says is live of every service, in the environments that are asked about."""
    rules = [gate.rule for gate in environment.gates if isinstance(gate.rule, DependencyRule)]
    records = app.records
    for place in sorted({rule.environment or environment.name for rule in rules}):
        seen = records.promotions(environment=place, limit=_ALL)
        releases = {item.release: records.find_release(item.release) for item in seen}
        for repository in dict.fromkeys(releases[item.release].repository for item in seen):
            own = [item for item in seen if releases[item.release].repository == repository]
            live = live_releases(own, removals(records, own)).get(place)
            if live is None:
                continue
            release = releases[live.release]
            yield LiveService(service=_service(app, live.run or release.run), environment=place, release=release.name)


def _service(app: Application, run: str) -> str:
    """The pipeline's name, by a run of it."""
    try:
        return str(app.records.plan(run).get("name", "")) if run else ""
    except NotFoundError:
        return ""
