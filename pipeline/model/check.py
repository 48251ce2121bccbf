"""Questions to a running release, parsed once from `checks` or `verification` of the pipeline file, and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.model.quantity import seconds
from pipeline.model.value import Value

DEFAULT_TIMEOUT = 10.0
"""Seconds after which a check without `within` counts as not answered."""


class Verdict(StrEnum):
    """The four answers: `fail` is the service's no, `error` says that the question could not be asked."""

    PASS = "pass"  # noqa: S105 - an answer
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a check saw, against what was wanted; in words that complete `http /healthz: …`."""

    verdict: Verdict
    seen: str
    wanted: str
    seconds: float = 0.0

    @property
    def sentence(self) -> str:
        """`status 500, wants 200`."""
        return f"{self.seen}, wants {self.wanted}" if self.wanted else self.seen


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpCheck:
    """A request without redirects. `where` is a path of the environment or a whole address."""

    name: str
    where: str
    method: str = "GET"
    status: tuple[int, ...] = (200,)
    body: str = ""
    has_json: bool = False
    json: Value = None
    header: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpCheck:
    """A connection. `where` is `host:port`, or a port of the environment's host."""

    name: str
    where: str
    within: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandCheck:
    """A command in a serving container that must exit 0."""

    name: str
    command: tuple[str, ...]
    within: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthCheck:
    """The container's own health check must say healthy."""

    name: str
    within: float | None = None


Check = HttpCheck | TcpCheck | CommandCheck | HealthCheck


def parse_checks(items: Value) -> tuple[Check, ...]:
    """The checks of a stage or an environment, one or a list; ValueError for a wrong one."""
    listed = items if isinstance(items, list | tuple) else (items,)
    return tuple(parse_check(item) for item in listed)


def parse_check(item: Value) -> Check:
    """A check from its keys; ValueError names what is wrong. The schema has already refused unknown keys."""
    if not isinstance(item, Mapping):
        raise ValueError(f"{item!r} is not a check")  # noqa: TRY004 - the value is wrong, not the call
    within = seconds(str(item["within"])) if "within" in item else None
    if "http" in item:
        where = str(item["http"])
        return HttpCheck(
            name=str(item.get("name", f"http {where}")),
            where=where,
            method=str(item.get("method", "GET")),
            status=_statuses(item.get("status", 200)),
            body=str(item.get("body", "")),
            has_json="json" in item,
            json=item.get("json"),
            header={str(key): str(value) for key, value in _mapping(item.get("header")).items()},
            within=within,
        )
    if "tcp" in item:
        where = str(item["tcp"])
        return TcpCheck(name=str(item.get("name", f"tcp {where}")), where=where, within=within)
    if "command" in item:
        command = _command(item["command"])
        words = command[-1] if command[:2] == ("sh", "-c") else " ".join(command)
        return CommandCheck(name=str(item.get("name", f"command {words[:60]}")), command=command, within=within)
    if item.get("health"):
        return HealthCheck(name=str(item.get("name", "container health")), within=within)
    raise ValueError("a check has one of: http, tcp, command, health")


def _statuses(value: Value) -> tuple[int, ...]:
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(int(str(item)) for item in items)


def _command(value: Value) -> tuple[str, ...]:
    if isinstance(value, str):
        return ("sh", "-c", value)
    if isinstance(value, list | tuple) and value:
        return tuple(str(item) for item in value)
    raise ValueError(f"{value!r} is not a command")


def _mapping(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}
