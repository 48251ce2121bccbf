"""Checked values to a `Definition`: short forms unfolded, defaults put in, times and sizes as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pipeline.diagnostic import Position
from pipeline.language import gates, rules
from pipeline.language.pending import Pending
from pipeline.language.tree import Path
from pipeline.model.definition import (
    ArtifactRule,
    EdgeRule,
    EnvironmentDefinition,
    Need,
    Readiness,
    Resources,
    RetryRule,
    ReviewRule,
    ReviewSource,
    RunRule,
    ServiceDefinition,
    StageDefinition,
    When,
)
from pipeline.model.quantity import seconds, size_in_bytes

_MERGED: Final = ("env", "resources", "services")
"""Keys whose defaults fill in what a stage does not write, name by name; the others are taken as a whole."""

_READY_WITHIN: Final = Readiness(command="").within

Values = Mapping[str, Any]


def with_defaults(stage: Values, defaults: Values, common: frozenset[str]) -> dict[str, Any]:
    """A stage's values with those of `defaults` that its kind takes and it does not write."""
    merged = {key: value for key, value in defaults.items() if key in common}
    for key, value in stage.items():
        if key in _MERGED and isinstance(value, Mapping) and key in merged:
            merged[key] = {**merged[key], **value}
        else:
            merged[key] = value
    return merged


def stage_definition(
    name: str,
    values: Values,
    *,
    kind: str,
    needs: tuple[Need, ...],
    own: frozenset[str],
    position: Position,
    pending: Pending,
) -> StageDefinition:
    """One stage; keys in `own` are those of its kind and become its options."""
    get = {key: value for key, value in values.items() if key not in own}.get
    commands = get("commands", ())
    options = {key: pending.deep(values[key], f"options.{key}") for key in values if key in own}
    return StageDefinition(
        name=name,
        kind=kind,
        position=position,
        matrix=rules.matrix_rule(get("matrix"), get("exclude", [])),
        split=rules.split_rule(get("split")),
        needs=needs,
        image=get("image"),
        commands=tuple(item if isinstance(item, str) else item["run"] for item in commands),
        step_timeouts=_step_timeouts(commands, pending),
        after=tuple(get("after", ())),
        shell=_shell(get("shell")),
        env=get("env", {}),
        secrets=tuple(get("secrets", ())),
        timeout=_duration(get("timeout"), "timeout", pending),
        allow_failure=_flag(get("allow_failure"), "allow_failure", pending),
        artifacts=tuple(_artifact(rule, index, pending) for index, rule in enumerate(get("artifacts", ()))),
        reports={report: tuple(paths) for report, paths in get("reports", {}).items()},
        when=_when(get("when", {})),
        source=get("source", True),
        services=tuple(
            _service(host, service, index, pending) for index, (host, service) in enumerate(get("services", {}).items())
        ),
        resources=_resources(get("resources", {}), pending),
        retry=_retry(get("retry"), pending),
        user=get("user"),
        workdir=get("workdir"),
        network=pending.text(get("network", "default"), "network"),
        reuse=_flag(get("reuse"), "reuse", pending),
        inputs=tuple(get("inputs", ())),
        cache=tuple(rules.cache_rule(item) for item in get("cache", ())),
        outputs=tuple(get("outputs", ())),
        emits=pending.text(get("emits", ""), "emits"),
        concurrency=rules.concurrency_rule(get("concurrency")),
        hardened=_flag(get("hardened"), "hardened", pending),
        privileged=get("privileged", False),
        devices=tuple(get("devices", ())),
        runs_on=tuple(get("runs_on", ())),
        options=options,
        typed=pending.found,
    )


def need(value: str | Values) -> Need:
    """One item of `needs` in its short or long form."""
    if isinstance(value, str):
        return Need(stage=value)
    return Need(
        stage=value["stage"],
        rule=EdgeRule(value.get("if", EdgeRule.DEFAULT)),
        optional=value.get("optional", False),
        matrix=value.get("matrix", {}),
        emitted=value.get("emitted", False),
    )


def environment_definition(
    name: str, values: Values, *, position: Position, pending: Pending, place: Callable[[Path], Position]
) -> EnvironmentDefinition:
    """One environment; its target's options stay as written. `place` knows where the parts of its gates stand."""
    kind, target = next(iter(values.get("target", {}).items()), ("docker", {}))
    return EnvironmentDefinition(
        name=name,
        position=position,
        after=tuple(values.get("after", ())),
        target_kind=kind,
        target=pending.deep(target or {}, "target"),
        strategy=gates.strategy(values.get("strategy")),
        gates=gates.gates(values.get("gates", []), place),
        configuration=values.get("configuration", {}),
        secrets=tuple(values.get("secrets", ())),
        verification=tuple(pending.deep(values.get("verification", []), "verification")),
        supervision=tuple(pending.deep(values.get("supervision", []), "supervision")),
        on_failure=values.get("on_failure", "rollback"),
        url=values.get("url", ""),
        allow_dirty=values.get("allow_dirty", False),
        automatic=values.get("automatic", True),
        queue=values.get("queue", "queue") == "queue",
        ledger=values.get("ledger", ""),
        review=_review(values.get("review")),
        registry=values.get("registry", ""),
        labels=values.get("labels", {}),
        typed=pending.found,
    )


def _review(value: Values | None) -> ReviewRule | None:
    if value is None:
        return None
    return ReviewRule(source=ReviewSource(value["from"]), lasting=seconds(value["lasting"]))


def _duration(value: Any, path: str, pending: Pending) -> float | None:
    return pending.value(value, path, None, seconds)


def _flag(value: Any, path: str, pending: Pending) -> bool:
    return pending.value(value, path, False, bool)


def _resources(values: Values, pending: Pending) -> Resources:
    """Limits with the memory in bytes."""
    return Resources(
        cpu=pending.value(values.get("cpu"), "resources.cpu", None, float),
        memory=pending.value(values.get("memory"), "resources.memory", None, size_in_bytes),
        pids=pending.value(values.get("pids"), "resources.pids", None, int),
    )


def _step_timeouts(commands: Sequence[str | Values], pending: Pending) -> tuple[float | None, ...]:
    """Seconds of each command; nothing where none has a limit of its own."""
    if all(isinstance(item, str) for item in commands):
        return ()
    return tuple(
        None if isinstance(item, str) else _duration(item.get("timeout"), f"step_timeouts.{index}", pending)
        for index, item in enumerate(commands)
    )


def _shell(value: str | list[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(value.split() if isinstance(value, str) else value)


def _command(value: str | list[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return ("sh", "-c", value) if isinstance(value, str) else tuple(value)


def _artifact(rule: Values, index: int, pending: Pending) -> ArtifactRule:
    return ArtifactRule(
        name=pending.text(rule["name"], f"artifacts.{index}.name"),
        paths=tuple(rule["paths"]),
        keep=_duration(rule.get("keep"), f"artifacts.{index}.keep", pending),
    )


def _when(values: Values) -> When:
    return When(
        event=tuple(values.get("event", ())),
        branch=tuple(values.get("branch", ())),
        tag=tuple(values.get("tag", ())),
        changed=tuple(values.get("changed", ())),
        expression=bare(values.get("if", "")),
        run=RunRule(values.get("run", RunRule.ON_SUCCESS)),
        manual=values.get("manual", False),
    )


def bare(condition: str) -> str:
    """A condition without the `${{ }}` that may stand around it."""
    text = condition.strip()
    if text.startswith("${{") and text.endswith("}}") and text.count("${{") == 1:
        return text[3:-2].strip()
    return text


def _service(host: str, value: str | Values, index: int, pending: Pending) -> ServiceDefinition:
    if isinstance(value, str):
        return ServiceDefinition(name=host, image=value)
    return ServiceDefinition(
        name=host,
        image=value["image"],
        env=value.get("env", {}),
        command=_command(value.get("command")),
        ready=_ready(value.get("ready"), f"services.{index}.ready", pending),
        privileged=value.get("privileged", False),
    )


def _ready(value: str | Values | None, path: str, pending: Pending) -> Readiness | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Readiness(command=value)
    within = pending.value(value.get("within"), f"{path}.within", _READY_WITHIN, seconds)
    return Readiness(command=value["command"], within=within)


def _retry(value: int | Values | None, pending: Pending) -> RetryRule | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return RetryRule(max=pending.value(value, "retry.max", 0, int))
    reasons = value.get("on", ("errored",))
    return RetryRule(
        max=pending.value(value["max"], "retry.max", 0, int),
        on=tuple(pending.text(reason, f"retry.on.{index}") for index, reason in enumerate(reasons)),
        backoff=pending.value(value.get("backoff"), "retry.backoff", 1.0, seconds),
    )
