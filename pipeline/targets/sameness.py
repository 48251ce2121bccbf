"""Whether what runs is what was ordered, by a digest that every target keeps on a label."""

from __future__ import annotations

from typing import Any

from pipeline.model.value import Value, digest_of
from pipeline.ports.target import Rollout


def spec_digest(order: Rollout, **own: Value) -> str:
    """What must be equal for a running version to be taken for the ordered one; `own` is what only that target knows.

    Values of secrets must not show in a label, so an environment with secrets is always rolled out anew.
    """
    return digest_of(
        {
            "image": order.image,
            "configuration": order.configuration,
            "secrets": [*sorted(order.secrets), order.promotion] if order.secrets else [],
            **own,
        }
    )


def spelled(options: Any) -> dict[str, Value]:
    """All that is written under a target, as part of such a digest."""
    return {name: str(getattr(options, name)) for name in options.__slots__}
