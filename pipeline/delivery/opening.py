"""When all gates of a verdict can be open together: what has to be awaited ends within the windows, or later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from pipeline.delivery.windows import opens_from
from pipeline.model.gate import GateAnswer, GateDefinition, GateState, WindowRule

_ROUNDS: Final = 400
"""Two windows that have not met after so many openings are not waited for."""


def combined_opening(answers: Iterable[GateAnswer], gates: Sequence[GateDefinition], now: datetime) -> datetime | None:
    """The earliest moment at which every gate can have passed; None where one of them says no time, or none waits."""
    missing = [item for item in answers if item.state is not GateState.PASSED]
    times = [item.opens for item in missing if item.opens is not None]
    if not missing or len(times) < len(missing):
        return None
    moment = max(now, *times)
    windows = [gate.rule for gate in gates if isinstance(gate.rule, WindowRule)]
    for _ in range(_ROUNDS):
        later = moment
        for rule in windows:
            found = opens_from(rule, later)
            if found is None:
                return None
            later = found
        if later == moment:
            return moment
        moment = later
    return None
