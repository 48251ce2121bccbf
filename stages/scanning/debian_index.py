"""The index of Debian's security archive for one release, and its copy on this machine."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityIndex:
    """The newest versions in the security archive of one release. Times are aware; `fetched` is this machine's."""

    codename: str
    architecture: str
    date: datetime
    valid_until: datetime
    fetched: datetime
    versions: Mapping[str, tuple[str, ...]]


def read_index(value: Any, *, fetched: datetime) -> SecurityIndex:
    """An index from the JSON that the scanners left or that the cache kept; ValueError when it is not whole.

    An index without dates or packages is refused: it would make every image look clean.
    """
    try:
        versions = {str(name): tuple(str(item) for item in found) for name, found in value["versions"].items() if found}
        index = SecurityIndex(
            codename=str(value["codename"]),
            architecture=str(value["architecture"]),
            date=_time(value["date"]),
            valid_until=_time(value["valid_until"]),
            fetched=datetime.fromisoformat(value["fetched"]) if "fetched" in value else fetched,
            versions=versions,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the security index lacks {error}") from error
    if not index.versions:
        raise ValueError("the security index is empty")
    return index


def keep_index(folder: Path, index: SecurityIndex) -> None:
    """Put an index into the cache; readers at the same time see the old or the new one, never a half.

    A cache that cannot be written costs the next run a fetch and this one nothing.
    """
    value = {
        "codename": index.codename,
        "architecture": index.architecture,
        "date": _spell(index.date),
        "valid_until": _spell(index.valid_until),
        "fetched": index.fetched.isoformat(),
        "versions": {name: list(found) for name, found in index.versions.items()},
    }
    path = _path(folder, index.codename, index.architecture)
    draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    with suppress(OSError):
        draft.write_text(json.dumps(value), encoding="utf-8")
        draft.replace(path)


def kept_index(folder: Path, codename: str, architecture: str, *, now: datetime) -> SecurityIndex | None:
    """The cached index while Debian's own `Valid-Until` says that it may be trusted; None otherwise."""
    try:
        text = _path(folder, codename, architecture).read_text(encoding="utf-8")
        index = read_index(json.loads(text), fetched=now)
    except (OSError, ValueError):
        return None
    return index if now < index.valid_until else None


def _time(text: object) -> datetime:
    try:
        moment = parsedate_to_datetime(str(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the security index has no readable date: {str(text)[:40]!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _spell(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")


def _path(folder: Path, codename: str, architecture: str) -> Path:
    name = "".join(letter for letter in f"{codename}-{architecture}" if letter.isalnum() or letter == "-")
    return folder / f"debian-security-{name}.json"
