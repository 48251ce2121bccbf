"""The gate `window`: the hours in which a promotion may begin."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.delivery.case import Case
from pipeline.delivery.saying import failed, passed, waiting
from pipeline.model.gate import GateAnswer, GateDefinition, WindowRule
from pipeline.model.window import closing, opening


def in_window(
    gate: GateDefinition,
    rule: WindowRule,
    case: Case,
) -> GateAnswer:
    """It is open, or when it opens; one that never opens again fails."""
    now = case.now
    opens = opens_from(rule, now)
    if opens is None:
        return failed(gate, f"closed, and not open again within four years ({rule.timezone})")
    if opens <= now:
        until = closing(now, timezone=rule.timezone, allow=rule.allow, deny=rule.deny)
        return passed(gate, f"open until {_wall(until, rule)}" if until else "always open")
    return waiting(gate, f"closed until {_wall(opens, rule)}", opens)


def opens_from(rule: WindowRule, moment: datetime) -> datetime | None:
    """The first moment from then on at which it is open."""
    return opening(moment, timezone=rule.timezone, allow=rule.allow, deny=rule.deny)


def _wall(time: datetime, rule: WindowRule) -> str:
    local = time.astimezone(ZoneInfo(rule.timezone))
    return f"{local:%a %Y-%m-%d %H:%M} {rule.timezone}"
