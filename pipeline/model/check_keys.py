"""From `checks` and `verification` of the pipeline file to checks; what the schema cannot refuse is refused here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pipeline.model.check import (
    Against,
    Bound,
    Check,
    CommandCheck,
    Comparison,
    HealthCheck,
    HttpCheck,
    LogCheck,
    Pace,
    PrometheusCheck,
    TcpCheck,
    Verdict,
)
from pipeline.model.quantity import seconds
from pipeline.model.value import Value

QUERY_WORDS: Final = ("release", "promotion", "image", "digest", "instances", "addresses")
"""What a query may name with `$` before it: of the new version, and in a baseline of the old one."""
QUERY_WORD: Final = re.compile(r"\$([A-Za-z_]\w*)")

_METRICS_EVERY: Final = 10.0
_LOG_EVERY: Final = 5.0


def parse_checks(items: Value) -> tuple[Check, ...]:
    """The checks of a stage or an environment, one or a list; ValueError for a wrong one."""
    listed = items if isinstance(items, list | tuple) else (items,)
    return tuple(parse_check(item) for item in listed)


def parse_check(item: Value) -> Check:
    """A check from its keys; ValueError names what is wrong. The schema has already refused unknown keys."""
    if not isinstance(item, Mapping):
        raise ValueError(f"{item!r} is not a check")  # noqa: TRY004 - the value is wrong, not the call
    within = seconds(str(item["within"])) if "within" in item else None
    name = str(item.get("name", ""))
    if "prometheus" in item:
        return _prometheus(_mapping(item["prometheus"]), name, within)
    if "log" in item:
        return _log(_mapping(item["log"]), name, within)
    pace = _pace(item, 1.0) if "for" in item else None
    if "http" in item:
        where = str(item["http"])
        return HttpCheck(
            name=name or f"http {where}",
            where=where,
            method=str(item.get("method", "GET")),
            status=_statuses(item.get("status", 200)),
            body=str(item.get("body", "")),
            has_json="json" in item,
            json=item.get("json"),
            header={str(key): str(value) for key, value in _mapping(item.get("header")).items()},
            within=within,
            pace=pace,
        )
    if "tcp" in item:
        where = str(item["tcp"])
        return TcpCheck(name=name or f"tcp {where}", where=where, within=within, pace=pace)
    if "command" in item:
        command = _command(item["command"])
        words = command[-1] if command[:2] == ("sh", "-c") else " ".join(command)
        return CommandCheck(name=name or f"command {words[:60]}", command=command, within=within, pace=pace)
    if item.get("health"):
        return HealthCheck(name=name or "container health", within=within, pace=pace)
    raise ValueError("a check has one of: http, tcp, command, health, prometheus, log")


def _prometheus(keys: Mapping[str, Value], name: str, within: float | None) -> PrometheusCheck:
    from urllib.parse import urlsplit  # most files have no such check

    url, query = str(keys.get("url", "")), str(keys.get("query", "")).strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"'{url}' is not the http address of a Prometheus")
    if parts.username or parts.password:
        raise ValueError("the address of a Prometheus holds a login: everybody who reads the file would have it")
    if not query:
        raise ValueError("a prometheus check needs a query")
    unknown = [word for word in QUERY_WORD.findall(query) if word not in QUERY_WORDS]
    if unknown:
        known = ", ".join(f"${word}" for word in QUERY_WORDS)
        raise ValueError(f"the query names ${unknown[0]}, which nobody knows; there are {known}")
    against = Against(str(keys["baseline"])) if "baseline" in keys else None
    if against is Against.LIVE and not QUERY_WORD.search(query):
        raise ValueError("a live baseline needs a query that tells versions apart, for instance by name=~'$instances'")
    least = int(str(keys.get("min_samples", 1)))
    pace = _pace(keys, _METRICS_EVERY)
    most = 1 + int(pace.lasting / pace.every + 1e-9)
    if least > most:
        raise ValueError(f"{least} samples cannot be had: there are {most} in {pace.lasting:g}s, every {pace.every:g}s")
    return PrometheusCheck(
        name=name or f"prometheus {query[:60]}",
        url=url.rstrip("/"),
        query=query,
        bound=_bound(keys),
        against=against,
        comparison=Comparison(str(keys.get("compare", "ratio"))),
        min_samples=least,
        no_data=Verdict(str(keys.get("on_no_data", "fail"))),
        within=within,
        pace=pace,
    )


def _log(keys: Mapping[str, Value], name: str, within: float | None) -> LogCheck:
    pattern = str(keys.get("pattern", ""))
    compile_pattern(pattern)
    return LogCheck(
        name=name or f"log {pattern[:60]}",
        pattern=pattern,
        most=int(str(keys.get("max", 0))),
        within=within,
        pace=_pace(keys, _LOG_EVERY),
    )


def compile_pattern(pattern: str) -> Any:
    """A pattern for lines of bytes (google-re2); ValueError where it is none."""
    import re2  # type: ignore[import-untyped]  # it ships none

    if not pattern:
        raise ValueError("a log check needs a pattern")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        why = error.args[0] if error.args else error
        words = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"'{pattern}' is not a pattern of RE2: {words}") from error


def _pace(keys: Mapping[str, Value], every: float) -> Pace:
    lasting = seconds(str(keys["for"])) if "for" in keys else 0.0
    every = seconds(str(keys["every"])) if "every" in keys else every
    if every <= 0:
        raise ValueError("'every' must be longer than nothing")
    return Pace(lasting=lasting, every=every)


def _bound(keys: Mapping[str, Value]) -> Bound:
    between = keys.get("between")
    if isinstance(between, list | tuple):
        if len(between) != 2 or float(str(between[0])) > float(str(between[1])):
            raise ValueError("'between' has two numbers, the smaller one first")
        return Bound(between=(float(str(between[0])), float(str(between[1]))))
    if "below" in keys:
        return Bound(below=float(str(keys["below"])))
    if "above" in keys:
        return Bound(above=float(str(keys["above"])))
    raise ValueError("a prometheus check has one of: below, above, between")


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
