"""The environment that a promotion was brought into, as it was then: what its target is asked by later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.diagnostic import Position
from pipeline.errors import NotFoundError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.release import Promotion
from pipeline.model.value import Value
from pipeline.ports.application import Application
from pipeline.ports.target import Target

_ROLLING_OUT = "promotion.rolling_out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """The definition as far as its target needs it, and the service's name."""

    environment: EnvironmentDefinition
    service: str


def deployed(app: Application, promotion: Promotion) -> Deployed:
    """From the ledger; of a promotion that was made before the ledger told it, from its run. NotFoundError."""
    told = app.records.entries(actions=(_ROLLING_OUT,), subjects=(promotion.id,), newest=1)
    place = told[-1].data.get("target") if told else None
    if told and isinstance(place, Mapping):
        definition = _definition(promotion.environment, place, told[-1].data.get("configuration"))
        return Deployed(environment=definition, service=str(place.get("service", "")))
    plan = app.records.plan(promotion.run) if promotion.run else {}
    environments = plan.get("environments")
    for item in environments if isinstance(environments, list) else []:
        if isinstance(item, dict) and item.get("name") == promotion.environment:
            place = {"kind": item.get("target_kind"), "options": item.get("target"), "labels": item.get("labels")}
            place["origin"] = item.get("origin")
            definition = _definition(promotion.environment, place, item.get("configuration"))
            return Deployed(environment=definition, service=str(plan.get("name", "")))
    raise NotFoundError(
        f"the run that deployed to '{promotion.environment}' is not recorded here",
        hint="ask the target with its own tools",
    )


def target_of(app: Application, promotion: Promotion) -> Target:
    """The target as the promotion knew it. NotFoundError, TargetError."""
    found = deployed(app, promotion)
    return app.target(found.environment, service=found.service)


def _definition(name: str, place: Mapping[str, Value], configuration: Value) -> EnvironmentDefinition:
    options = place.get("options")
    return EnvironmentDefinition(
        name=name,
        position=Position(file="", line=0, column=0),
        target_kind=str(place.get("kind") or "docker"),
        target=options if isinstance(options, Mapping) else {},
        configuration=_texts(configuration),
        labels=_texts(place.get("labels")),
        url=str(place.get("url") or ""),
        origin=str(place.get("origin") or ""),
    )


def _texts(value: Value) -> Mapping[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}
