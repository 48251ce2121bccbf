"""Bringing a release into an environment at somebody's wish: what it would change, and then doing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.delivery.admission import VERDICT
from pipeline.delivery.passage import Passage
from pipeline.delivery.planning import strategy_for
from pipeline.delivery.promoter import Order, Promoter
from pipeline.delivery.release import image_to_run
from pipeline.delivery.secrets import secrets_of
from pipeline.delivery.stopping import stoppable
from pipeline.errors import EcluseError, MonitoringError, NotFoundError, ParkedError, UsageError
from pipeline.model.check_keys import parse_checks
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import Override, Verdict
from pipeline.model.release import Promotion, PromotionPlan, Release
from pipeline.model.source import Event
from pipeline.operations.comparing import Comparison, compare_releases, live_in
from pipeline.operations.judging import judge_of
from pipeline.operations.promoter import promoter_of
from pipeline.operations.run_delivery import event_of
from pipeline.operations.surroundings import Surroundings
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.delivery import Verify
from pipeline.ports.monitoring import tell
from pipeline.ports.target import Progress, Rollout
from pipeline.ports.verification import Schedule, Subject, Verification

DEFAULT_TIMEOUT = 120.0
"""Seconds that a new version may take to become healthy."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the ledger while gates are waited for."""
ASK_EVERY = 60.0
"""Seconds after which gates are asked again though nobody has decided anything: a check may answer otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a promotion would do now. `comparison` is None where nothing serves there yet, or what serves is unknown."""

    release: Release
    environment: EnvironmentDefinition
    plan: PromotionPlan
    verdict: Verdict
    replaced: Release | None
    comparison: Comparison | None
    promotion: str = ""
    """The one that is planned or waits already; "" for none."""


def outlook(app: Application, place: Surroundings, order: Order) -> Outlook:
    """Ask the target and the gates; nothing is written."""
    promoter = _promoter(app, place)
    question = promoter.question(order, app.target(order.environment, service=place.service))
    waiting = app.records.find_promotion(order.promotion) if order.promotion else None
    override = None
    if order.override:
        person = promoter.requester.actor
        override = Override(person=person, reason=order.override, time=app.clock.now())
    replaced = _known(app, question.plan.replaces)
    comparison = None
    if replaced is not None:
        comparison = compare_releases(
            app,
            place.folder,
            replaced,
            order.release,
            old_configuration=_live_configuration(app, place, order.environment.name),
            new_configuration=order.environment,
        )
    return Outlook(
        release=order.release,
        environment=order.environment,
        plan=question.plan,
        verdict=promoter.admission.verdict(replace(question, promotion=waiting, override=override)),
        replaced=replaced,
        comparison=comparison,
        promotion=order.promotion,
    )


def promote(
    app: Application,
    place: Surroundings,
    order: Order,
    *,
    wait: float | None,
    timeout: float = DEFAULT_TIMEOUT,
    progress: Progress,
    cancel: Cancellation,
) -> Promotion:
    """To an end, which the promotion says. ParkedError where its gates are not open within `wait` seconds (None: now);
    RefusedError where one has said no."""
    until = app.clock.monotonic() + (wait or 0.0)
    while True:
        try:
            return _bring_in(app, place, order, timeout=timeout, progress=progress, cancel=cancel)
        except ParkedError as error:
            if wait is None:
                raise
            progress(error.message)
            order = replace(order, promotion=error.promotion)
            if not _something_changed(app, error.promotion, until=until, cancel=cancel):
                raise


def _bring_in(
    app: Application,
    place: Surroundings,
    order: Order,
    *,
    timeout: float,
    progress: Progress,
    cancel: Cancellation,
) -> Promotion:
    environment, release = order.environment, order.release
    image = image_to_run(environment, release.images)
    secrets = secrets_of(environment, _event(app, release), secrets=app.secrets, settings=app.settings)
    passage = _promoter(app, place).enter(order, progress=progress, cancel=cancel)
    try:
        rollout = Rollout(
            environment=environment.name,
            release=release.id,
            promotion=passage.promotion.id,
            image=image,
            configuration=environment.configuration,
            secrets=secrets,
            timeout=timeout,
            strategy=strategy_for(environment, order.kind),
        )
        with stoppable(passage.promotion, passage.journal, cancel) as either:
            verify = _verify(app, place, order, passage, secrets, progress=progress, cancel=either)
            return passage.complete(rollout, verify=verify, progress=progress, cancel=either)
    finally:
        passage.lease.release()


def _verify(
    app: Application,
    place: Surroundings,
    order: Order,
    passage: Passage,
    secrets: Mapping[str, str],
    *,
    progress: Progress,
    cancel: Cancellation,
) -> Verify | None:
    """The environment's own checks, with every answer for its supervision; None where it has none."""
    environment = order.environment
    if not environment.verification:
        return None
    try:
        checks = parse_checks(environment.verification)
    except ValueError as error:
        raise UsageError(
            f"environment '{environment.name}': verification: {error}", hint="correct it where it is written"
        ) from error
    subject = Subject(
        target=passage.target,
        promotion=passage.promotion.id,
        since=passage.promotion.created,
        secrets=tuple(secrets.values()),
    )

    def verify() -> Verification:
        found = app.verifier().verify(environment, checks, Schedule(), subject=subject, say=progress, cancel=cancel)
        results = found.results(
            environment=environment.name, service=place.service, release=order.release.id, run=order.release.run
        )
        try:
            tell(app.sinks(environment), results, say=progress)
        except MonitoringError as error:
            progress(f"supervision was not told: {error.message}")
        return found

    return verify


def _something_changed(app: Application, promotion: str, *, until: float, cancel: Cancellation) -> bool:
    """Sleep until somebody has written to the ledger, a gate can have opened, or checks may be asked again; False when
    the time is over. CancelledError."""
    told = app.records.entries(actions=(VERDICT,), subjects=(promotion,), newest=1)
    opens = told[-1].data.get("opens") if told else None
    opening = datetime.fromisoformat(opens) if isinstance(opens, str) else None
    head = app.records.head()
    ask_again = app.clock.monotonic() + ASK_EVERY
    while app.clock.monotonic() < until:
        cancel.wait(min(LOOK_EVERY, max(0.0, until - app.clock.monotonic())))
        cancel.check()
        now = app.records.head()
        if (now and now.seq) != (head and head.seq) or app.clock.monotonic() >= ask_again:
            return True
        if opening is not None and app.clock.now() >= opening:
            return True
    return False


def _promoter(app: Application, place: Surroundings) -> Promoter:
    judge = judge_of(app, policy=place.policy, folder=place.folder)
    return promoter_of(app, place.requester(), judge=judge)


def _event(app: Application, release: Release) -> Event:
    """Of the run that made the release: secrets are for branches, and this says of which it is."""
    try:
        return event_of(app.records.find_run(release.run))
    except NotFoundError:
        return Event(kind="manual")


def _known(app: Application, release: str) -> Release | None:
    try:
        return app.records.find_release(release) if release else None
    except NotFoundError:
        return None


def _live_configuration(app: Application, place: Surroundings, environment: str) -> EnvironmentDefinition | None:
    try:
        return live_in(app, place.repository, environment).environment
    except EcluseError:
        return None
