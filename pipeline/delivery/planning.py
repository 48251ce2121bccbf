"""What a promotion would change, as values: its digest is what people approve."""

from __future__ import annotations

from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.release import PromotionKind, PromotionPlan
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.model.value import canonical, digest_of, to_value


def plan_of(
    release: str,
    environment: EnvironmentDefinition,
    *,
    replaces: str,
    kind: PromotionKind = PromotionKind.PROMOTE,
    policy: str = "",
) -> PromotionPlan:
    """The plan of bringing a release in where `replaces` serves, judged by the policy of that revision."""
    return PromotionPlan(
        release=release,
        replaces=replaces,
        environment=environment.name,
        kind=kind,
        configuration=configuration_version(environment),
        policy=policy,
        strategy=spell_strategy(strategy_for(environment, kind)),
    )


def configuration_version(environment: EnvironmentDefinition) -> str:
    """Digest of the configuration and of the names of the secrets; their values are nobody's to see."""
    return digest_of(
        {"configuration": dict(environment.configuration), "secrets": sorted(environment.secrets)},
    )


def strategy_for(environment: EnvironmentDefinition, kind: PromotionKind) -> Strategy | None:
    """How it takes over. Going back and putting right are quick: a canary's small steps are for what is new."""
    strategy = environment.strategy
    if kind is not PromotionKind.PROMOTE and strategy is not None and strategy.kind is StrategyKind.CANARY:
        return None
    return strategy


def spell_strategy(strategy: Strategy | None) -> str:
    """Canonical JSON, or "" for what the target does by itself."""
    return "" if strategy is None else canonical(to_value(strategy)).decode()
