"""From answers to consequences: supervision is told, the promotion goes on or back, the stage has its outcome."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import MonitoringError
from pipeline.model.check import Check, Verdict
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.outcome import Effect, Outcome, errored, failed, succeeded
from pipeline.model.release import Promotion
from pipeline.model.status import PromotionState
from pipeline.ports.monitoring import tell
from pipeline.ports.stage import StageContext
from pipeline.ports.verification import Schedule, Subject, Verification


def verify_environment(
    context: StageContext, environment: EnvironmentDefinition, checks: Sequence[Check], schedule: Schedule
) -> Verification:
    """Ask the environment, with the answers in the stage's log."""
    promotion = context.delivery.promotion(environment)
    subject = Subject(
        target=context.delivery.target(environment),
        promotion=promotion.id if promotion else "",
        since=promotion.created if promotion else None,
        secrets=tuple(context.secret(name) for name in environment.secrets),
    )
    return context.verifier.verify(
        environment, checks, schedule, subject=subject, say=context.log.note, cancel=context.cancel
    )


def conclude(
    context: StageContext, environment: EnvironmentDefinition, verification: Verification, *, final: bool
) -> tuple[Outcome, Promotion | None]:
    """Tell delivery and then supervision; a sink that fails is said in the log and changes nothing."""
    passed = verification.verdict is Verdict.PASS
    if passed:
        promotion = context.delivery.verified(
            environment, verification.measurements, final=final, progress=context.log.note
        )
    else:
        promotion = context.delivery.refuted(
            environment, verification.measurements, reason=verification.sentence, progress=context.log.note
        )
    tell_supervision(context, environment, verification, release=promotion.release if promotion else "")
    return _outcome(verification, promotion), promotion


def tell_supervision(
    context: StageContext, environment: EnvironmentDefinition, verification: Verification, *, release: str
) -> None:
    """Each result to every sink of the environment."""
    if not environment.supervision:
        return
    results = verification.results(
        environment=environment.name, service=context.pipeline, release=release, run=context.run_id
    )
    try:
        sinks = context.sinks(environment)
    except MonitoringError as error:
        context.log.note(f"supervision was not told: {error.message}")
        return
    tell(sinks, results, say=context.log.note)


def _outcome(verification: Verification, promotion: Promotion | None) -> Outcome:
    if verification.verdict is Verdict.PASS:
        if promotion is not None and promotion.state is PromotionState.ROLLED_BACK:  # somebody wanted it to stop
            return failed(f"{verification.sentence}; {promotion.detail}", effect=Effect.ROLLED_BACK)
        return succeeded(verification.sentence)
    rolled_back = promotion is not None and promotion.state is PromotionState.ROLLED_BACK
    after = ""
    if promotion is not None:
        after = {
            PromotionState.ROLLED_BACK: "; the old version serves again",
            PromotionState.FAILED: "; there was nothing to go back to",
            PromotionState.PARTIAL: "; the new version was kept",
            PromotionState.DEPLOYED: "; live all the same, as on_failure says",
        }.get(promotion.state, "")
    reason = verification.sentence + after
    effect = Effect.ROLLED_BACK if rolled_back else Effect.NONE
    if verification.verdict is Verdict.ERROR and not rolled_back:
        return errored(reason)
    return failed(reason, effect=effect)
