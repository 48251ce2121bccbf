"""What differs between two releases, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.delivery.difference import Change, Contents, compare
from pipeline.model.finding import Finding, FindingSeverity
from pipeline.model.release import Release

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def finding(rule: str, severity: FindingSeverity = FindingSeverity.HIGH, line: int = 0) -> Finding:
    return Finding(
        check="vulnerabilities", tool="t", rule=rule, severity=severity, message="bad", package="z", line=line
    )


def contents(
    name: str,
    *,
    images: Mapping[str, str] | None = None,
    packages: Mapping[str, frozenset[str]] | None = None,
    findings: tuple[Finding, ...] | None = (),
    configuration: Mapping[str, str] | None = None,
) -> Contents:
    release = Release(
        repository="shop",
        commit=name,
        images=images or {},
        pipeline_digest="sha256:1",
        name=name,
        run="r",
        dirty=False,
        created=NOW,
    )
    return Contents(release=release, packages=packages, findings=findings, configuration=configuration or {})


def test_everything_that_differs() -> None:
    old = contents(
        "1",
        images={"push": "r/shop@sha256:a", "gone": "r/gone@sha256:c"},
        packages={"deb/bash": frozenset({"5.2"}), "deb/old": frozenset({"1"}), "pypi/same": frozenset({"1", "2"})},
        findings=(finding("A", line=3), finding("B")),
        configuration={"LOG": "debug", "SAME": "x"},
    )
    new = contents(
        "2",
        images={"push": "r/shop@sha256:b"},
        packages={"deb/bash": frozenset({"5.3"}), "deb/new": frozenset({"1"}), "pypi/same": frozenset({"2", "1"})},
        findings=(finding("A", line=9), finding("C", FindingSeverity.LOW), finding("D"), finding("D")),
        configuration={"LOG": "info", "SAME": "x"},
    )
    found = compare(old, new)
    assert found.images == (
        Change(name="gone", old="r/gone@sha256:c", new=""),
        Change(name="push", old="r/shop@sha256:a", new="r/shop@sha256:b"),
    )
    assert found.configuration == (Change(name="LOG", old="debug", new="info"),)
    assert [(item.name, item.old, item.new) for item in found.packages] == [
        ("deb/bash", "5.2", "5.3"),
        ("deb/new", "", "1"),
        ("deb/old", "1", ""),
    ]
    assert [item.rule for item in found.fixed] == ["B"]
    assert [item.rule for item in found.introduced] == ["D", "C"], (
        "a finding whose line moved is the same; gravest first"
    )
    assert not found.unknown
    assert not found.empty


def test_the_same_twice_differs_in_nothing() -> None:
    one = contents("1", packages={"deb/bash": frozenset({"5.2"})}, findings=(finding("A"),))
    assert compare(one, one).empty


def test_what_was_never_looked_at_is_not_called_equal() -> None:
    found = compare(contents("1", packages={}, findings=None), contents("2", packages=None, findings=()))
    assert found.unknown == (
        "packages: 2 has no software bill of materials (a `scan` stage)",
        "findings: 1 was not scanned",
    )
