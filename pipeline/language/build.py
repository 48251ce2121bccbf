"""Checked values to a `Definition`: short forms unfolded, defaults put in, times and sizes as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.diagnostic import Position
from pipeline.model.definition import (
    ArtifactRule,
    EdgeRule,
    EnvironmentDefinition,
    Need,
    Readiness,
    Resources,
    RetryRule,
    RunRule,
    ServiceDefinition,
    StageDefinition,
    When,
)
from pipeline.model.quantity import seconds, size_in_bytes

_MERGED: Final = ("env", "resources", "services")
"""Keys whose defaults fill in what a stage does not write, name by name; the others are taken as a whole."""

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
    name: str, values: Values, *, kind: str, needs: tuple[Need, ...], own: frozenset[str], position: Position
) -> StageDefinition:
    """One stage; keys in `own` are those of its kind and become its options."""
    common = {key: value for key, value in values.items() if key not in own}
    get = common.get
    return StageDefinition(
        name=name,
        kind=kind,
        position=position,
        needs=needs,
        image=get("image"),
        commands=tuple(get("commands", ())),
        after=tuple(get("after", ())),
        shell=_shell(get("shell")),
        env=get("env", {}),
        secrets=tuple(get("secrets", ())),
        timeout=_seconds(get("timeout")),
        allow_failure=get("allow_failure", False),
        artifacts=tuple(_artifact(rule) for rule in get("artifacts", ())),
        reports={report: tuple(paths) for report, paths in get("reports", {}).items()},
        when=_when(get("when", {})),
        source=get("source", True),
        services=tuple(_service(host, service) for host, service in get("services", {}).items()),
        resources=resources(get("resources", {})),
        retry=_retry(get("retry")),
        user=get("user"),
        workdir=get("workdir"),
        network=get("network", "default"),
        reuse=get("reuse", False),
        inputs=tuple(get("inputs", ())),
        options={key: values[key] for key in values if key in own},
    )


def need(value: str | Values) -> Need:
    """One item of `needs` in its short or long form."""
    if isinstance(value, str):
        return Need(stage=value)
    return Need(
        stage=value["stage"], rule=EdgeRule(value.get("if", EdgeRule.DEFAULT)), optional=value.get("optional", False)
    )


def environment_definition(name: str, values: Values, *, position: Position) -> EnvironmentDefinition:
    """One environment; its target's options stay as written."""
    kind, target = next(iter(values.get("target", {}).items()), ("docker", {}))
    return EnvironmentDefinition(
        name=name,
        position=position,
        after=tuple(values.get("after", ())),
        target_kind=kind,
        target=target or {},
        configuration=values.get("configuration", {}),
        secrets=tuple(values.get("secrets", ())),
        verification=tuple(values.get("verification", ())),
        supervision=tuple(values.get("supervision", ())),
        on_failure=values.get("on_failure", "rollback"),
        url=values.get("url", ""),
        allow_dirty=values.get("allow_dirty", False),
        labels=values.get("labels", {}),
    )


def resources(values: Values) -> Resources:
    """Limits with the memory in bytes."""
    memory = values.get("memory")
    cpu = values.get("cpu")
    return Resources(
        cpu=None if cpu is None else float(cpu),
        memory=None if memory is None else size_in_bytes(memory),
        pids=values.get("pids"),
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else seconds(text)


def _shell(value: str | list[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(value.split() if isinstance(value, str) else value)


def _command(value: str | list[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return ("sh", "-c", value) if isinstance(value, str) else tuple(value)


def _artifact(rule: Values) -> ArtifactRule:
    return ArtifactRule(name=rule["name"], paths=tuple(rule["paths"]), keep=_seconds(rule.get("keep")))


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


def _service(host: str, value: str | Values) -> ServiceDefinition:
    if isinstance(value, str):
        return ServiceDefinition(name=host, image=value)
    return ServiceDefinition(
        name=host,
        image=value["image"],
        env=value.get("env", {}),
        command=_command(value.get("command")),
        ready=_ready(value.get("ready")),
    )


def _ready(value: str | Values | None) -> Readiness | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Readiness(command=value)
    within = value.get("within")
    if within is None:
        return Readiness(command=value["command"])
    return Readiness(command=value["command"], within=seconds(within))


def _retry(value: int | Values | None) -> RetryRule | None:
    if value is None:
        return None
    if isinstance(value, int):
        return RetryRule(max=value)
    backoff = value.get("backoff")
    return RetryRule(
        max=value["max"],
        on=tuple(value.get("on", ("errored",))),
        backoff=1.0 if backoff is None else seconds(backoff),
    )
