"""Smoke: a running release is asked whether it works; only then is its deployment done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.errors import UsageError
from pipeline.model.check_keys import parse_checks
from pipeline.model.definition import Definition, StageDefinition
from pipeline.model.outcome import Effect, Outcome, failed, succeeded
from pipeline.model.quantity import seconds
from pipeline.model.release import Promotion, conclusions
from pipeline.model.run import Products
from pipeline.model.status import PromotionState
from pipeline.model.template import holds_expression
from pipeline.model.value import Value
from pipeline.ports.stage import Reuse, StageContext, StageResult
from pipeline.ports.verification import Schedule
from stages.graph import ancestors
from stages.verifying import conclude, verify_environment


class Smoke:
    """The last smoke stage of an environment makes its promotion `deployed`; a failing one does what `on_failure`
    says. Not retried: by then the old version may serve again."""

    name = "smoke"
    version = 1
    reuse = Reuse.NEVER
    effects = True

    def schema(self) -> Mapping[str, Value]:
        """See `schemas/stages/smoke.schema.json`."""
        return schemas.load("stages/smoke")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """It must come after the deploy that it checks, and the smoke stages of an environment one after the other."""
        yield from _wrong_checks(stage)
        environment = stage.options.get("environment")
        if not isinstance(environment, str) or "${{" in environment:
            return
        before = ancestors(stage, definition.stages)
        same = [item for item in definition.stages if item.options.get("environment") == environment]
        deploys = [item.name for item in same if item.kind == "deploy"]
        if deploys and not before & set(deploys):
            yield Diagnostic(
                code="smoke-before-deploy",
                message=f"stage '{stage.name}' checks environment '{environment}' without needing what deploys to it",
                position=stage.position,
                note=f"add '{deploys[-1]}' to its needs",
            )
        for other in (item for item in same if item.kind == "smoke" and item.name < stage.name):
            if other.name not in before and stage.name not in ancestors(other, definition.stages):
                yield Diagnostic(
                    code="smoke-order",
                    message=f"stages '{other.name}' and '{stage.name}' check environment '{environment}' side by side",
                    position=stage.position,
                    note="let one need the other, or write all checks in one stage: "
                    "the last one makes the deployment final",
                    related=((f"stage '{other.name}'", other.position),),
                )

    def run(self, context: StageContext) -> StageResult:
        """Ask, keep every measurement, tell delivery and supervision."""
        options = context.stage.options
        environment = context.environment(str(options["environment"]))
        try:
            checks = parse_checks(options["checks"])
            schedule = Schedule(
                lasting=_seconds(options.get("for"), 0.0),
                every=_seconds(options.get("every"), 1.0),
                grace=_seconds(options.get("grace"), 0.0),
            )
        except ValueError as error:
            raise UsageError(
                f"stage '{context.stage.name}': {error}", hint="correct it in the pipeline file"
            ) from error
        verification = verify_environment(context, environment, checks, schedule)
        outcome, promotion = conclude(context, environment, verification, final=is_last(context))
        return StageResult(
            outcome=outcome,
            products=Products(
                measurements=verification.measurements,
                release=promotion.release if promotion else "",
                promotion=promotion.id if promotion else "",
            ),
        )

    def recover(self, context: StageContext, *, since: datetime) -> StageResult | None:
        """A promotion that this stage had ended already is its result; else it asks again."""
        environment = context.environment(str(context.stage.options["environment"]))
        promotion = context.delivery.settled(environment, since=since)
        if promotion is None:
            return None
        context.log.note(f"promotion {promotion.id} had ended before: {promotion.state.value}, {promotion.detail}")
        products = Products(measurements=promotion.measurements, release=promotion.release, promotion=promotion.id)
        return StageResult(outcome=_ended(promotion), products=products)


def _ended(promotion: Promotion) -> Outcome:
    """What the end of a promotion says of the checks that led to it."""
    if promotion.state is PromotionState.DEPLOYED and all(item.passed for item in conclusions(promotion.measurements)):
        return succeeded(promotion.detail)
    rolled_back = promotion.state is PromotionState.ROLLED_BACK
    return failed(promotion.detail, effect=Effect.ROLLED_BACK if rolled_back else Effect.NONE)


def _wrong_checks(stage: StageDefinition) -> Iterable[Diagnostic]:
    """What the schema cannot refuse; what holds expressions is looked at when the stage runs."""
    checks = stage.options.get("checks")
    is_late = any(item.path.startswith("options.checks") for item in stage.typed)
    if checks is None or is_late or holds_expression(checks):
        return
    try:
        parse_checks(checks)
    except ValueError as error:
        message = f"stage '{stage.name}': {error}"
        note = "no release could ever pass it"
        yield Diagnostic(code="check", message=message, position=stage.position, note=note)


def is_last(context: StageContext) -> bool:
    """Whether no other smoke stage of this environment comes after this one in the plan."""
    own = context.stage
    stages = context.stages()
    return not any(
        other.kind == "smoke"
        and other.options.get("environment") == own.options["environment"]
        and own.name in ancestors(other, stages)
        for other in stages
    )


def _seconds(value: Value, default: float) -> float:
    return default if value is None else seconds(str(value))


KIND = Smoke()
