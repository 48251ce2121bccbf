"""Checked values to the gates and the strategy of an environment, and what no schema can say about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from pipeline.diagnostic import Position
from pipeline.language.problems import Problems
from pipeline.language.tree import Node, Path, span_at
from pipeline.model.finding import FindingSeverity
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
from pipeline.model.quantity import seconds
from pipeline.model.strategy import Strategy, StrategyKind

Values = Mapping[str, Any]

_WHOLE: Final = 100
_TIMEOUT: Final = 30.0


def strategy(value: str | Values | None) -> Strategy | None:
    """How a new version takes over; a word is short for the kind alone."""
    if value is None:
        return None
    if isinstance(value, str):
        return Strategy(kind=StrategyKind(value))
    kind, options = next(iter(value.items()))
    return Strategy(
        kind=StrategyKind(kind),
        batch=options.get("batch", 1),
        pause=seconds(options.get("pause", "0s")),
        steps=tuple(int(step.removesuffix("%")) for step in options.get("steps", ())),
    )


def gates(values: list[Values], place: Callable[[Path], Position]) -> tuple[GateDefinition, ...]:
    """Each gate as written, each rule of `approvals` as one of its own; `place` knows the items of `gates`."""
    found: list[GateDefinition] = []
    counts: Counter[str] = Counter()
    for index, value in enumerate(values):
        kind = next((key for key in value if key in _RULES), "")
        if not kind:
            continue
        rules = tuple(_RULES[kind](value[kind]))
        for number, rule in enumerate(rules):
            counts[kind] += 1
            name = value.get("name", kind)
            place_in_kind = number + 1 if "name" in value else counts[kind]
            found.append(
                GateDefinition(
                    name=name if place_in_kind == 1 else f"{name}-{place_in_kind}",
                    rule=rule,
                    position=place((index, kind, number) if kind == "approvals" else (index,)),
                )
            )
    return tuple(found)


def _evidence(value: Values) -> Iterator[GateRule]:
    scan = value.get("scan")
    yield EvidenceRule(
        tests="tests" in value,
        scan=FindingSeverity(scan["max"]) if scan else None,
        provenance="provenance" in value,
    )


def _soaked(value: Values) -> Iterator[GateRule]:
    yield SoakRule(environment=value["in"], seconds=seconds(value["for"]))


def _approvals(value: list[Values]) -> Iterator[GateRule]:
    for item in value:
        yield ApprovalRule(
            group=item["from"],
            count=item.get("count", 1),
            excluded=frozenset(item.get("not", ())),
            expires=seconds(item["expires"]) if "expires" in item else None,
        )


def _window(value: Values) -> Iterator[GateRule]:
    yield WindowRule(timezone=value["timezone"], allow=tuple(value.get("allow", ())), deny=tuple(value.get("deny", ())))


def _check(value: Values) -> Iterator[GateRule]:
    timeout = seconds(value["timeout"]) if "timeout" in value else _TIMEOUT
    if "http" in value:
        yield HttpRule(url=value["http"], status=tuple(value.get("status", (200,))), timeout=timeout)
        return
    command = value.get("command", ())
    yield CommandRule(
        image=value["image"],
        command=("sh", "-c", command) if isinstance(command, str) else tuple(command),
        timeout=timeout,
        secrets=tuple(value.get("secrets", ())),
    )


def _requires(value: Values) -> Iterator[GateRule]:
    yield DependencyRule(
        service=value["service"], environment=value.get("environment", ""), release=value.get("release", "*")
    )


_RULES: Final[Mapping[str, Callable[[Any], Iterator[GateRule]]]] = {
    "evidence": _evidence,
    "soaked": _soaked,
    "approvals": _approvals,
    "window": _window,
    "check": _check,
    "requires": _requires,
}


def drop_from_environment(values: dict[str, Any], path: Path) -> None:
    """Take out the key that a path below an environment is in; of its gates only the one, so that others are judged."""
    gates = values.get("gates")
    if len(path) > 1 and path[0] == "gates" and isinstance(gates, list) and isinstance(path[1], int):
        gates[path[1]] = {}
    else:
        values.pop(str(path[0]), None)


def check_gates(environments: Mapping[str, Any], root: Node, problems: Problems) -> set[Path]:
    """Report gates and strategies that cannot be meant; returns the paths of those. Values must fit their schema."""
    bad: set[Path] = set()
    reviews = {name for name, values in environments.items() if isinstance(values, dict) and "review" in values}
    for name, values in environments.items():
        if not isinstance(values, dict):
            continue
        path: Path = ("environments", name)
        for below, code, message, note in (
            *_steps(name, values),
            *_unproxied(name, values),
            *_odd_gates(name, values),
            *_behind_reviews(name, values, reviews),
        ):
            problems.add(code, message, span_at(root, (*path, *below)), note=note)
            bad.add((*path, *below))
    return bad


Odd = tuple[Path, str, str, str]
"""Where below the environment, the problem's code, its message and what to do."""


def _steps(name: str, values: Values) -> Iterator[Odd]:
    written = values.get("strategy")
    canary = written.get("canary") if isinstance(written, dict) else None
    if not canary:
        return
    steps = [int(step.removesuffix("%")) for step in canary["steps"]]
    place: Path = ("strategy", "canary", "steps")
    for index, (before, step) in enumerate(pairwise(steps), start=1):
        if step <= before:
            message = f"step {step}% of environment '{name}' does not rise above {before}%"
            yield (*place, index), "canary-steps", message, "shares rise, such as 10%, 50%, 100%"
            return
    if steps[-1] != _WHOLE:
        message = f"the steps of environment '{name}' end at {steps[-1]}%"
        yield (*place, len(steps) - 1), "canary-steps", message, "the last one is 100%"


def _behind_reviews(name: str, values: Values, reviews: set[str]) -> Iterator[Odd]:
    """A release cannot come through what is another one for every branch."""
    message = f"environment '{name}' cannot wait for '{{}}', which is one for each pull request or branch"
    for index, before in enumerate(values.get("after", ())):
        if before in reviews:
            yield ("after", index), "review", message.format(before), "name one that stays"
    for index, gate in enumerate(values.get("gates", ())):
        if "soaked" in gate and gate["soaked"]["in"] in reviews:
            yield (
                ("gates", index, "soaked", "in"),
                "review",
                message.format(gate["soaked"]["in"]),
                "name one that stays",
            )


def _unproxied(name: str, values: Values) -> Iterator[Odd]:
    """Without a proxy a docker target is one container on one engine."""
    target = values.get("target")
    docker = target.get("docker") if isinstance(target, dict) else None
    if not isinstance(docker, dict):
        return
    place: Path = ("target", "docker")
    if "proxy" in docker:
        if "publish" in docker:
            message = f"the containers of environment '{name}' stand behind a proxy and publish nothing"
            yield (*place, "publish"), "publish", message, "the proxy has the port that users know: leave 'publish' out"
        return
    replicas, hosts = docker.get("replicas", 1), docker.get("hosts", ())
    if isinstance(replicas, int) and replicas > 1:
        message = f"environment '{name}' wants {replicas} replicas and has no proxy in front of them"
        note = "write 'proxy', or 'replicas: 1': only one container can hold a published port"
        yield (*place, "replicas"), "replicas", message, note
    if isinstance(hosts, list) and len(hosts) > 1:
        message = f"environment '{name}' names {len(hosts)} engines and has no proxy in front of them"
        yield (*place, "hosts"), "hosts", message, "write 'proxy', or name one engine"


def _odd_gates(name: str, values: Values) -> Iterator[Odd]:
    names: Counter[str] = Counter()
    for index, gate in enumerate(values.get("gates", ())):
        path: Path = ("gates", index)
        soaked = gate.get("soaked")
        if soaked and soaked["in"] == name:
            message = f"environment '{name}' cannot wait for a release to soak in itself"
            yield (*path, "soaked", "in"), "soaked", message, "name one that comes before it"
        check = gate.get("check")
        if check and "image" in check and "command" not in check:
            message = f"the check of environment '{name}' has an image and no command"
            yield (*path, "check"), "missing-key", message, "write 'command'"
        if check and "http" in check and (extra := [key for key in ("command", "secrets") if key in check]):
            message = f"the check of environment '{name}' asks an address: '{extra[0]}' belongs to an image"
            yield (*path, "check", extra[0]), "wrong-value", message, "make it a gate of its own"
        written = gate.get("name")
        names[written or ""] += 1
        if written and names[written] > 1:
            message = f"environment '{name}' has two gates '{written}'"
            yield (*path, "name"), "duplicate-gate", message, "answers call them by their names"
