"""Environments as a list, and one of them as a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.cli.render.clean import one_line
from pipeline.cli.render.lines import Line, Piece, columns, fitted, line
from pipeline.cli.render.promoting import block_lines, verdict_lines
from pipeline.cli.render.words import ago, shape, short
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.duration import spell_duration
from pipeline.model.gate import (
    ApprovalRule,
    CommandRule,
    DependencyRule,
    EvidenceRule,
    GateDefinition,
    GateRule,
    HttpRule,
    SoakRule,
    WindowRule,
)
from pipeline.model.strategy import Strategy, StrategyKind
from pipeline.operations.environment_page import EnvironmentPage


def list_lines(found: Sequence[EnvironmentPage], *, now: datetime, width: int) -> list[Line]:
    """A line each: name, what is live, what guards it, where it is defined."""
    if not found:
        return [line("there are no environments; `environments` in the pipeline file or in a policy makes some")]
    return [fitted(entry, width) for entry in columns([_row(page, now) for page in found])]


def page_lines(found: EnvironmentPage, *, now: datetime, width: int) -> list[Line]:
    """Definition, gates, what is live, and the verdict over the newest release."""
    lines = [*_definition(found), *_gates(found.environment), *_live(found, now)]
    lines += block_lines(found.level.blocks, now=now) if found.level.blocks else []
    lines += _newest(found)
    return [fitted(entry, width) for entry in lines]


def _row(page: EnvironmentPage, now: datetime) -> list[str | Piece]:
    environment, level = page.environment, page.level
    live: Piece = ("nothing is live", "dim")
    if level.live is not None:
        name = level.release.name if level.release else short(level.live.release)
        live = (f"{one_line(name)} since {ago(level.live.finished or level.live.created, now)}", "")
    guards = [f"after {', '.join(environment.after)}"] if environment.after else []
    guards += [gate.name for gate in environment.gates]
    guards += [] if environment.automatic else ["asked for"]
    guards += [block.kind.value for block in level.blocks]
    guards += [ending(level.ends, now)] if level.ends else []
    look = "succeeded" if level.live else "waiting"
    origin: Piece = (environment.origin, "dim")
    if environment.unfounded:
        look, origin = "warned", (f"{environment.origin}: {environment.unfounded}", "warned")
    return [shape(look), (environment.name, "bold"), live, ", ".join(guards) or "open", origin]


def ending(ends: datetime, now: datetime) -> str:
    """When a review environment ends, in words."""
    return f"ends in {spell_duration(round((ends - now).total_seconds()))}" if ends > now else "its time is over"


def _definition(found: EnvironmentPage) -> list[Line]:
    environment = found.environment
    lines = [line((environment.name, "bold"), f" on {environment.target_kind}", (f", {environment.origin}", "dim"))]
    if environment.unfounded:
        lines.append(line(shape("warned"), " ", (f"nothing is promoted by this: {environment.unfounded}", "warned")))
    facts = {
        "url": environment.url,
        "after": ", ".join(environment.after),
        "strategy": spell_strategy(environment.strategy),
        "on failure": environment.on_failure,
        "brought in": "by runs and by people" if environment.automatic else "when somebody asks for it",
        "promotions": "wait for each other" if environment.queue else "are superseded by newer ones",
        "configuration": _configuration(found),
        "secrets": ", ".join(environment.secrets),
        "ledger": environment.ledger,
        "policy": short(found.policy),
        "labels": ", ".join(f"{name}={value}" for name, value in environment.labels.items()),
    }
    return [*lines, *columns([[(f"  {name}", "dim"), one_line(value)] for name, value in facts.items() if value])]


def _configuration(found: EnvironmentPage) -> str:
    names = found.environment.configuration
    return f"{', '.join(names)}, version {short(found.configuration)}" if names else ""


def spell_strategy(strategy: Strategy | None) -> str:
    """As people say it; "" for what the target does by itself."""
    if strategy is None:
        return ""
    word = strategy.kind.value.replace("_", "/")
    pause = f", {spell_duration(strategy.pause)} between" if strategy.pause else ""
    match strategy.kind:
        case StrategyKind.ROLLING:
            return f"{word}, {strategy.batch} at a time{pause}"
        case StrategyKind.CANARY:
            return f"{word}, {', '.join(f'{step}%' for step in strategy.steps)}{pause}"
        case _:
            return word


def _gates(environment: EnvironmentDefinition) -> list[Line]:
    rows: list[list[str | Piece]] = [_gate(gate) for gate in environment.gates]
    return [line(("gates", "bold")), *columns(rows)] if rows else [line(("no gates", "dim"))]


def _gate(gate: GateDefinition) -> list[str | Piece]:
    return [f"  {gate.name}", one_line(spell_rule(gate.rule)), (str(gate.position), "dim")]


def spell_rule(rule: GateRule) -> str:
    """What a gate asks for, in words."""
    match rule:
        case EvidenceRule():
            wanted = [word for word, asked in (("tests passed", rule.tests), ("provenance", rule.provenance)) if asked]
            return ", ".join([*wanted, *([f"nothing above {rule.scan.value}"] if rule.scan else [])])
        case SoakRule():
            return f"live in {rule.environment} for {spell_duration(rule.seconds)}"
        case ApprovalRule():
            words = f"{rule.count} of {rule.group}"
            words += f", not {' nor '.join(sorted(rule.excluded))}" if rule.excluded else ""
            return words + (f", for {spell_duration(rule.expires)}" if rule.expires is not None else "")
        case WindowRule():
            words = "; ".join(rule.allow) or "always"
            return f"{words}{', not ' + '; '.join(rule.deny) if rule.deny else ''} ({rule.timezone})"
        case CommandRule():
            return f"{' '.join(rule.command)} in {rule.image}"
        case HttpRule():
            return f"{rule.url} answers {' or '.join(str(item) for item in rule.status)}"
        case DependencyRule():
            return f"{rule.service} {rule.release} live in {rule.environment or 'the same environment'}"


def _live(found: EnvironmentPage, now: datetime) -> list[Line]:
    live = found.level.live
    if live is None:
        return [line(shape("waiting"), " nothing is live")]
    name = found.level.release.name if found.level.release else short(live.release)
    since = f" since {ago(live.finished or live.created, now)}, by {one_line(live.requested_by)}"
    lines = [line(shape("succeeded"), " ", (one_line(name), "bold"), " is live", since)]
    if live.override:
        lines.append(line(shape("warned"), (f" its gates were opened by force: {one_line(live.override)}", "warned")))
    if live.configuration and live.configuration != found.configuration:
        lines.append(line(shape("warned"), " the configuration has changed since: promote it again to bring it in"))
    return lines


def _newest(found: EnvironmentPage) -> list[Line]:
    if found.newest is None:
        return [line(("there is no release yet", "dim"))]
    name = (one_line(found.newest.name), "bold")
    if found.verdict is None:
        return [line(name, " is the newest release")]
    return [line("what ", name, ", the newest release, meets:"), *verdict_lines(found.verdict)]
