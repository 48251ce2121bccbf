"""Reading SARIF 2.1.0: the results of any analyser as findings.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.engine.texts import fit
from pipeline.engine.xml_report import check_size
from pipeline.errors import StorageError
from pipeline.model.container import WORKSPACE
from pipeline.model.finding import Finding, FindingSeverity

CHECK = "code"
"""What findings of a stage's own analyser are a check of."""
MOST = 10_000
"""Findings that are kept of one file."""
_TEXT = 2_000
_ROOM = 6_000_000
_TAKEN = {b"{": 4, b"[": 2, b",": 1}
"""What a file's values take of that room as they are read, by what they begin with or stand between: about sixty bytes
each, however short they are written."""
_ARGUMENT = re.compile(r"\{([0-9]{1,4})\}")

_LEVELS: Mapping[str, FindingSeverity] = {
    "error": FindingSeverity.HIGH,
    "warning": FindingSeverity.MEDIUM,
    "note": FindingSeverity.LOW,
    "none": FindingSeverity.UNKNOWN,
}


def read(content: bytes, *, file: str) -> tuple[Finding, ...]:
    """The results of all runs of a file, without those that are suppressed or gone since the baseline.

    The severity is the rule's `security-severity` in CVSS's bands, else the level. Raises StorageError when the file
    is no SARIF, or has more than MOST results.
    """
    check_size(content, file)
    if sum(content.count(mark) * cost for mark, cost in _TAKEN.items()) > _ROOM:
        raise StorageError(f"{file} has too many values to be read", hint="let the analyser say less")
    try:
        document = json.loads(content)
        if not isinstance(document, dict) or not isinstance(document.get("runs"), list):
            raise StorageError(f"{file} is not a SARIF file: it has no list `runs`", hint="name SARIF 2.1.0")
        found = tuple(islice((item for run in document["runs"] for item in _of_run(_mapping(run))), MOST + 1))
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{file} is not JSON: {error}", hint="was its writer stopped?") from error
    if len(found) > MOST:
        raise StorageError(f"{file} has more than {MOST:,} results", hint="let the analyser say less")
    return found


def _of_run(run: Mapping[str, Any]) -> Iterator[Finding]:
    driver = _mapping(_mapping(run.get("tool")).get("driver"))
    rules = [_mapping(rule) for rule in _list(driver.get("rules"))]
    by_id = {str(rule.get("id")): rule for rule in rules}
    for item in _list(run.get("results")):
        result = _mapping(item)
        if result.get("suppressions") or result.get("baselineState") == "absent":
            continue
        index = result.get("ruleIndex")
        name = str(result.get("ruleId") or _mapping(result.get("rule")).get("id") or "")
        rule = by_id.get(name, {})
        if not rule and isinstance(index, int) and 0 <= index < len(rules):
            rule = rules[index]
        place, line = _place(result)
        yield Finding(
            check=CHECK,
            tool=fit(str(driver.get("name") or "sarif")[:_TEXT]),
            rule=fit((name or str(rule.get("id") or "unnamed"))[:_TEXT]),
            severity=_severity(result, rule),
            message=fit(_message(result, rule)[:_TEXT]),
            file=fit(place),
            line=line,
            url=fit(str(rule.get("helpUri") or "")[:_TEXT]),
        )


def _severity(result: Mapping[str, Any], rule: Mapping[str, Any]) -> FindingSeverity:
    for source in (result, rule):
        score = _mapping(source.get("properties")).get("security-severity")
        if isinstance(score, str | int | float):
            with suppress(ValueError, OverflowError):
                return _band(float(score))
    level = result.get("level") or _mapping(rule.get("defaultConfiguration")).get("level") or "warning"
    return _LEVELS.get(str(level), FindingSeverity.UNKNOWN)


def _band(score: float) -> FindingSeverity:
    for least, severity in (
        (9.0, FindingSeverity.CRITICAL),
        (7.0, FindingSeverity.HIGH),
        (4.0, FindingSeverity.MEDIUM),
        (0.1, FindingSeverity.LOW),
    ):
        if score >= least:
            return severity
    return FindingSeverity.UNKNOWN


def _message(result: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    message = _mapping(result.get("message"))
    text = message.get("text") or message.get("markdown")
    if not text and message.get("id"):
        template = _mapping(_mapping(rule.get("messageStrings")).get(str(message["id"]))).get("text")
        text = _filled(str(template or "")[:_TEXT], _list(message.get("arguments")))
    return str(text or _mapping(rule.get("shortDescription")).get("text") or "")


def _filled(template: str, arguments: list[Any]) -> str:
    """With its arguments in their places, once: what stands in an argument is text, and not looked through again."""

    def argument(found: re.Match[str]) -> str:
        number = int(found[1])
        given = arguments[number] if number < len(arguments) else None
        return str(given)[:_TEXT] if isinstance(given, str | int | float) else found[0]

    return _ARGUMENT.sub(argument, template)


def _place(result: Mapping[str, Any]) -> tuple[str, int]:
    """The first place in a file, relative to the workspace where it lies in it."""
    for location in _list(result.get("locations")):
        physical = _mapping(_mapping(location).get("physicalLocation"))
        uri = str(_mapping(physical.get("artifactLocation")).get("uri") or "")
        if uri:
            with suppress(ValueError):
                uri = unquote(urlsplit(uri).path) if uri.startswith("file:") else unquote(uri)
            line = _mapping(physical.get("region")).get("startLine")
            path = uri.removeprefix(f"{WORKSPACE}/").removeprefix("./")
            return path[:_TEXT], line if isinstance(line, int) and 0 < line < 1 << 31 else 0
    return "", 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
