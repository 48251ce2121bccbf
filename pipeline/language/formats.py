"""What a single text must look like: the schema names its format, this table knows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from pipeline.language.places import spell
from pipeline.language.problems import Problems
from pipeline.language.tree import Path
from pipeline.language.values import Found
from pipeline.model.quantity import image_parts, seconds, size_in_bytes
from pipeline.model.template import OPEN, parts


def _duration(text: str) -> None:
    seconds(text)


def _size(text: str) -> None:
    size_in_bytes(text)


def _image(text: str) -> None:
    image_parts(text)


def _repository(text: str) -> None:
    name, tag, digest = image_parts(text)
    if tag or digest:
        raise ValueError(text, f"write {name}: what is copied keeps its digest")


_PORT: Final = re.compile(r"(?:(?:\[[0-9a-fA-F:]+\]|[0-9.]+):)?([0-9]{1,5}):([0-9]{1,5})(?:/(?:tcp|udp))?")
_CRON: Final = "write minute, hour, day, month and weekday, such as 0 3 * * 1-5"
_CRON_FIELDS: Final = ("minute", "hour", "day", "month", "weekday")
_CRON_NAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_VOLUME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*:/[^:]*(?::(?:ro|rw))?")

_NODE_PORT: Final = re.compile(r"([0-9]{1,5}):([0-9]{1,5})(?:/(?:tcp|udp))?")
_CONSTRAINT: Final = re.compile(r"[A-Za-z0-9_.-]+ *[!=]= *\S.*")


def _node_port(text: str) -> None:
    match = _NODE_PORT.fullmatch(text)
    if not match or not all(0 < int(port) < 65536 for port in match.groups()):
        raise ValueError(text)


def _constraint(text: str) -> None:
    if not _CONSTRAINT.fullmatch(text):
        raise ValueError(text)


def _port(text: str) -> None:
    match = _PORT.fullmatch(text)
    if not match or not all(0 < int(port) < 65536 for port in match.groups()):
        raise ValueError(text)


def _volume(text: str) -> None:
    if not _VOLUME.fullmatch(text):
        raise ValueError(text)


def _cron(text: str) -> None:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    if written := _CRON_NAMES.get(text):
        raise ValueError(text, f"write {written}")
    fields = len(text.split())
    if fields != len(_CRON_FIELDS):
        raise ValueError(text, f"it has {fields} field{'s' if fields != 1 else ''}; {_CRON}")
    try:
        CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        field = str(error).removeprefix("Bad ").replace("day-of-month", "day").replace("day-of-week", "weekday")
        if field not in _CRON_FIELDS:
            raise ValueError(text) from error
        raise ValueError(text, f"its {field} '{text.split()[_CRON_FIELDS.index(field)]}' cannot be; {_CRON}") from error


def _timezone(text: str) -> None:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError) as error:
        import difflib

        known = {name.lower(): name for name in available_timezones()}
        near = difflib.get_close_matches(text.lower(), known, n=1, cutoff=0.75)
        raise ValueError(text, *(f"did you mean '{known[name]}'?" for name in near)) from error
    if text == "localtime":
        raise ValueError(text, "that is another one on every machine; write a name such as Europe/Paris or UTC")


def _window(text: str) -> None:
    from pipeline.model.window import span

    try:
        span(text)
    except ValueError as error:
        raise ValueError(text, str(error)) from error


FORMATS: Final[Mapping[str, tuple[Callable[[str], None], str, str]]] = {
    "duration": (_duration, "is not a duration", "write it like 500ms, 30s, 20m, 1h30m or 30d"),
    "size": (_size, "is not a size", "write it like 512MiB or 1GiB"),
    "image": (_image, "is not an image reference", "write it like python:3.12-slim or registry.example.org/shop:1.0"),
    "repository": (_repository, "is not a repository", "write it like registry.example.org/team/shop"),
    "port": (_port, "is not a published port", "write [address:]host port:container port, such as 8080:80"),
    "node-port": (_node_port, "is not a published port of a swarm", "write port:container port, such as 8080:80"),
    "constraint": (_constraint, "is not a constraint", "write it like node.role == worker or node.labels.zone != a"),
    "cron": (_cron, "is not a schedule", _CRON),
    "timezone": (_timezone, "is not a time zone", "write a name such as Europe/Paris or UTC"),
    "volume": (_volume, "is not a named volume", "write name:/path or name:/path:ro"),
    "window": (_window, "is not a window", "write it like Mon-Thu 09:00-17:00 or 12-20..01-05"),
}
"""Format to its check, what is wrong when it raises ValueError, and what is right (unless a second argument of the
error says it better)."""

PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    "name": (
        "is not a stage name",
        "lower-case letters, digits and _, a letter first (a hyphen is a minus in expressions)",
    ),
    "variable": ("is not a variable name", "letters, digits and _, no digit first"),
    "pipeline-name": ("is not a pipeline name", "lower-case letters, digits and . _ -, at most 63 characters"),
    "environment-name-written": ("is not an environment name", "lower-case letters, digits and _ -, a letter first"),
    "artifact-name": ("is not an artifact name", "letters, digits and . _ -"),
    "host-name": ("is not a network name", "lower-case letters, digits and -, a letter first"),
    "axis": ("is not the name of an axis", "letters, digits and _, no digit first"),
    "inner-path": ("is not a path in the workspace", "write it relative, without '..'"),
    "device": ("is not a device", "write /dev/NAME, /dev/NAME:/dev/OTHER or /dev/NAME:r"),
    "compose-project": ("is not the name of a compose project", "lower-case letters, digits, _ and -"),
    "compose-service": ("is not the name of a compose service", "letters, digits and . _ -"),
    "service-name": ("is not the name of a service", "at most 51 letters, digits and -"),
    "strategy": (
        "is not a strategy",
        "write recreate, rolling, blue_green, rolling: {batch: 1, pause: 5s} or canary: {steps: [10%, 50%, 100%]}",
    ),
    "percent": ("is not a share", "write it like 10%"),
    "person": ("is not a name", "lower-case letters, digits and . _ -"),
    "mail": ("is not an address", "write it like anna@example.org"),
    "key": ("is not a key", "write ed25519: and the public key in base64, 44 letters"),
    "gate-name": ("is not the name of a gate", "lower-case letters, digits and _ -, a letter first"),
    "group-name": ("is not the name of a group", "lower-case letters, digits and _ -, a letter first"),
    "http-address": ("is not an address", "write one that begins with https:// or http://"),
    "address": ("is not an address", "write one such as mattermost://… or mailto://…"),
    "retry-reason": (
        "is not a reason to retry",
        "write errored, failed, timed_out, 'exit 75', 'reason: some text' or 'log: some text'",
    ),
}
"""For schemas with a pattern: `x-format` to what a mismatch means, and what is right."""


def check_formats(found: list[Found], problems: Problems) -> set[Path]:
    """Report every text that is not what its format says; returns the paths of those."""
    bad: set[Path] = set()
    for path, node, label in found:
        if label.startswith("key:"):
            words, note = PATTERNS.get(label.removeprefix("key:"), ("is not a name", ""))
            problems.add("bad-name", f"'{node.text}' {words}", node.span, note=note)
            bad.add(path)
            continue
        if label not in FORMATS:
            continue
        check, words, note = FORMATS[label]
        text = _filled(node.text)
        if text is None:
            continue
        try:
            check(text)
        except ValueError as error:
            better = str(error.args[1]) if len(error.args) == 2 else note
            problems.add(f"bad-{label}", f"'{node.text}' {words} ({spell(path)})", node.span, note=better)
            bad.add(path)
    return bad


def _filled(text: str) -> str | None:
    """A text whose expressions are replaced by a digit, so that what stands around them can be checked.

    None when the whole text is one expression, or one is not closed (which is said elsewhere).
    """
    if OPEN not in text:
        return text
    try:
        pieces = parts(text)
    except ValueError:
        return None
    if len(pieces) == 1:
        return None
    return "".join(piece if isinstance(piece, str) else "1" for piece in pieces)
