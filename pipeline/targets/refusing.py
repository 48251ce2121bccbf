"""What every target refuses: a strategy that it cannot do, a lost lease, and what takes somebody who serves."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.errors import LeaseLostError, TargetError
from pipeline.model.strategy import Strategy, StrategyKind


def refuse_unknown(strategy: Strategy | None, known: Collection[StrategyKind], *, environment: str) -> None:
    """TargetError that names the strategies that this target can do as it is configured."""
    if strategy is None or strategy.kind in known:
        return
    names = ", ".join(sorted(known))
    raise TargetError(
        f"environment '{environment}': its target cannot do the strategy '{strategy.kind}'",
        hint=f"it can do: {names}; write one of them as the environment's strategy, or leave it out",
    )


def refuse_stale(fence: int, seen: int, *, environment: str) -> None:
    """LeaseLostError where somebody with a newer lease was here; a caller without a lease is never refused."""
    if 0 < fence < seen:
        raise LeaseLostError(
            f"environment '{environment}': somebody with a newer lease ({seen}; ours is {fence}) works on its target",
            hint=f"`ecluse history {environment}` tells who; nothing was changed",
        )


def nothing_to_confirm(promotion: str, *, environment: str) -> TargetError:
    """Of a promotion that is said to serve, where nobody does."""
    return TargetError(
        f"environment '{environment}': nothing serves, so promotion {promotion} cannot be confirmed",
        hint=f"`ecluse history {environment}` tells what was live; deploy again",
    )


def nobody_to_ask(*, environment: str) -> TargetError:
    """Of a command for a serving instance, where there is none."""
    return TargetError(f"environment '{environment}': no container serves", hint="deploy to it before checking it")
