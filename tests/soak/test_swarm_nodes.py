"""Nodes that die in the middle of a stage, seen from the executor and from the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from contracts.test_swarm_executor import MakeGround, lose_a_node, on
from e2e.test_swarm_stages import outlive_a_node, shop, swarming
from environment.command import Command
from environment.swarm import Swarm

__all__ = ["on", "shop", "swarming"]


def test_a_stage_outlives_a_node_that_loses_its_power(on: MakeGround, swarm: Swarm) -> None:
    lose_a_node(on, swarm, "kill")


def test_a_run_outlives_a_node(
    ecluse: Command,
    swarming: Mapping[str, str],
    shop: Callable[[str], Path],
    swarm: Swarm,
) -> None:
    outlive_a_node(ecluse, swarming, shop, swarm)
