"""Deploy: the images of the push stages become a release, and the release is brought into an environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import schemas
from pipeline.diagnostic import Diagnostic
from pipeline.errors import UsageError
from pipeline.model.check import Check
from pipeline.model.check_keys import parse_checks
from pipeline.model.definition import Definition, EnvironmentDefinition, StageDefinition
from pipeline.model.outcome import Effect, Outcome, failed, succeeded
from pipeline.model.release import Promotion
from pipeline.model.run import Products
from pipeline.model.status import PromotionState
from pipeline.model.value import Value
from pipeline.ports.stage import Reuse, StageContext, StageResult
from pipeline.ports.verification import Schedule
from stages.graph import ancestors
from stages.verifying import conclude, verify_environment

DEFAULT_TIMEOUT = 120.0
"""Seconds that a rollout may take where the stage has no timeout."""


class Deploy:
    """The old version serves until the new one is healthy, and is kept until the new one is verified."""

    name = "deploy"
    version = 1
    reuse = Reuse.NEVER
    effects = True

    def schema(self) -> Mapping[str, Value]:
        """See `schemas/stages/deploy.schema.json`."""
        return schemas.load("stages/deploy")

    def problems(self, stage: StageDefinition, definition: Definition) -> Iterable[Diagnostic]:
        """It must need a push stage; the images that it names must be such."""
        before = ancestors(stage, definition.stages)
        pushes = [item.name for item in definition.stages if item.kind == "push"]
        wanted = _named(stage)
        if not wanted and not before.intersection(pushes):
            yield Diagnostic(
                code="deploy-without-push",
                message=f"stage '{stage.name}' deploys, but no push stage comes before it",
                position=stage.position,
                note="push stages: " + ", ".join(pushes) if pushes else "a release is made of pushed images",
            )
        for name in wanted:
            if name not in pushes:
                yield Diagnostic(
                    code="not-a-push",
                    message=f"'images' of stage '{stage.name}' names '{name}', which is not a push stage",
                    position=stage.position,
                    note="push stages: " + ", ".join(pushes) if pushes else "there is no push stage",
                )
            elif name not in before:
                yield Diagnostic(
                    code="not-needed",
                    message=f"stage '{stage.name}' takes the image of '{name}' without needing it",
                    position=stage.position,
                    note=f"add '{name}' to its needs",
                )
        yield from _choice_of_image(stage, definition, wanted or [name for name in pushes if name in before])

    def run(self, context: StageContext) -> StageResult:
        """Seal the release, roll it out, and verify it here where the environment itself says how."""
        options = context.stage.options
        environment = context.environment(str(options["environment"]))
        images = _images(context)
        name = _release_name(context)
        followed = _is_checked_later(context)
        checks = _own_checks(environment)
        for secret in environment.secrets:
            context.secret(secret)  # masked from now on: the new version's last words may hold it
        promotion = context.delivery.deploy(
            environment,
            images=images,
            name=name,
            verified_later=followed or bool(checks),
            timeout=_time_for_rollout(context),
            progress=context.log.note,
            cancel=context.cancel,
            verify=(lambda: verify_environment(context, environment, checks, Schedule())) if checks else None,
        )
        outcome = _outcome(promotion, environment, name)
        if promotion.state is PromotionState.VERIFYING and checks:
            verification = verify_environment(context, environment, checks, Schedule())
            verified, after = conclude(context, environment, verification, final=not followed)
            outcome = outcome if verified.conclusion.satisfies else verified
            promotion = after or promotion
        products = Products(
            release=promotion.release,
            promotion=promotion.id,
            measurements=promotion.measurements,
            outputs={"release": promotion.release, "name": name},
        )
        return StageResult(outcome=outcome, products=products)

    def recover(self, context: StageContext, *, since: datetime) -> StageResult | None:
        """A promotion that came to its end is the result; one that was left half-way is taken up by `run`."""
        environment = context.environment(str(context.stage.options["environment"]))
        promotion = context.delivery.settled(environment, since=since)
        if promotion is None:
            return None
        context.log.note(f"promotion {promotion.id} had ended before: {promotion.state.value}, {promotion.detail}")
        name = _release_name(context)
        products = Products(
            release=promotion.release,
            promotion=promotion.id,
            measurements=promotion.measurements,
            outputs={"release": promotion.release, "name": name},
        )
        return StageResult(outcome=_outcome(promotion, environment, name), products=products)


def _release_name(context: StageContext) -> str:
    """What the file says, else the run's number and the commit."""
    return str(context.stage.options.get("release") or f"{context.run_number()}-{context.source.commit.short}")


def _choice_of_image(stage: StageDefinition, definition: Definition, images: Sequence[str]) -> Iterable[Diagnostic]:
    """A target runs one image, so one of several has to be named."""
    environment = next(
        (item for item in definition.environments if item.name == stage.options.get("environment")), None
    )
    if environment is None:
        return
    wanted = environment.target.get("image")
    if len(images) > 1 and not wanted:
        yield Diagnostic(
            code="which-image",
            message=f"stage '{stage.name}' has {len(images)} images, environment '{environment.name}' runs one",
            position=stage.position,
            note=f"name one of {', '.join(images)} in 'images', or as 'image' of the environment's target",
        )
    elif images and isinstance(wanted, str) and wanted and "${{" not in wanted and wanted not in images:
        yield Diagnostic(
            code="which-image",
            message=f"environment '{environment.name}' runs '{wanted}', which stage '{stage.name}' does not bring",
            position=environment.position,
            note=f"it brings {', '.join(images)}",
        )


def _named(stage: StageDefinition) -> list[str]:
    value = stage.options.get("images") or ()
    return [value] if isinstance(value, str) else [str(item) for item in value if isinstance(item, str)]  # type: ignore[union-attr]


def _images(context: StageContext) -> dict[str, str]:
    """Push stage to pinned reference: those named, else all that this stage needs."""
    stages = context.stages()
    before = ancestors(context.stage, stages)
    pushes = [item.name for item in stages if item.kind == "push" and item.name in before]
    images: dict[str, str] = {}
    for name in _named(context.stage) or pushes:
        pushed = context.stage_run(name).products.pushed
        if pushed is not None:
            images[name] = pushed.pinned
        elif _named(context.stage):
            raise UsageError(f"stage '{name}' left no pushed image", hint="it was skipped or failed: see its log")
    if not images:
        raise UsageError(
            f"stage '{context.stage.name}' has nothing to deploy: no push stage before it pushed anything",
            hint="were they skipped by their own `when`? `ecluse show` tells",
        )
    return images


def _is_checked_later(context: StageContext) -> bool:
    stages = context.stages()
    return any(
        item.kind == "smoke"
        and item.options.get("environment") == context.stage.options["environment"]
        and context.stage.name in ancestors(item, stages)
        for item in stages
    )


def _own_checks(environment: EnvironmentDefinition) -> tuple[Check, ...]:
    try:
        return parse_checks(environment.verification) if environment.verification else ()
    except ValueError as error:
        raise UsageError(
            f"environment '{environment.name}': verification: {error}", hint="correct it in the pipeline file"
        ) from error


def _time_for_rollout(context: StageContext) -> float:
    """Less than the stage's own timeout, so that a slow start ends with its log and not with a kill."""
    timeout = context.stage.timeout
    return DEFAULT_TIMEOUT if timeout is None else max(timeout * 0.8, timeout - 10)


def _outcome(promotion: Promotion, environment: EnvironmentDefinition, name: str) -> Outcome:
    match promotion.state:
        case PromotionState.DEPLOYED | PromotionState.VERIFYING:
            gap = "" if promotion.gap is None else f", {promotion.gap * 1000:.0f} ms without an answer"
            return replace(succeeded(), reason=f"release {name} serves in {environment.name}{gap}")
        case PromotionState.ROLLED_BACK:
            return failed(
                promotion.detail,
                hint="the old version serves; the new one's last words are in the log",
                effect=Effect.ROLLED_BACK,
            )
        case _:
            return failed(promotion.detail, hint=f"`ecluse history {environment.name}` shows what runs where")


KIND = Deploy()
