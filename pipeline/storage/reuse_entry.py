"""Reuse entries and caches as bytes that know their own digest, so that what was altered or cut off is not believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from pipeline.model.run import Artifact, BuiltImage, Products
from pipeline.model.value import canonical, digest_of, to_value
from pipeline.ports.reuse import CacheEntry, ReuseEntry

FORMAT = 1

Noun = TypeVar("Noun")


def pack(thing: ReuseEntry | CacheEntry) -> bytes:
    """The digest of the body in hex, a line end, the body."""
    body = canonical({"format": FORMAT, **_mapping(to_value(thing))})
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unpack_entry(content: bytes, key: str = "") -> ReuseEntry | None:
    """The entry; None for what is no whole entry, is of another format, or belongs to another key."""
    entry = _unpacked(content, _entry)
    if entry is None or (key and entry.key != key) or digest_of(entry.inputs) != entry.key:
        return None
    return entry


def unpack_cache(content: bytes) -> CacheEntry | None:
    """The cache; None for what is no whole one."""
    return _unpacked(content, _cache)


def _unpacked(content: bytes, build: Callable[[dict[str, Any]], Noun]) -> Noun | None:
    digest, _, body = content.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    try:
        value = json.loads(body)
        return build(value) if value.pop("format") == FORMAT else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _entry(value: dict[str, Any]) -> ReuseEntry:
    created = datetime.fromisoformat(value["created"])
    return ReuseEntry(**{**value, "created": created, "products": _products(value["products"])})


def _cache(value: dict[str, Any]) -> CacheEntry:
    created = datetime.fromisoformat(value["created"])
    return CacheEntry(**{**value, "created": created, "paths": tuple(value["paths"])})


def _products(value: Mapping[str, Any]) -> Products:
    """What a stage that is reused can have made: no push, no release, no promotion."""
    return Products(
        artifacts=tuple(Artifact(**item) for item in value["artifacts"]),
        image=BuiltImage(**value["image"]) if value["image"] else None,
        outputs=value["outputs"],
        **_reports(value),
    )


def _reports(value: Mapping[str, Any]) -> dict[str, Any]:
    """Tests, coverage and findings; their modules are imported only where there are some."""
    made: dict[str, Any] = {}
    if value["tests"]:
        from pipeline.model.report import TestCase, TestReport, TestStatus

        cases = tuple(TestCase(**{**item, "status": TestStatus(item["status"])}) for item in value["tests"]["cases"])
        unlisted = {TestStatus(status): count for status, count in value["tests"]["unlisted"].items()}
        made["tests"] = TestReport(cases=cases, unlisted=unlisted)
    if value["coverage"]:
        from pipeline.model.report import CoverageReport

        made["coverage"] = CoverageReport(**value["coverage"])
    if value["findings"]:
        from pipeline.model.finding import Finding, FindingSeverity

        made["findings"] = tuple(
            Finding(**{**item, "severity": FindingSeverity(item["severity"])}) for item in value["findings"]
        )
    return made


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no mapping")
    return value
