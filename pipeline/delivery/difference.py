"""What differs between two releases: images, packages, findings, and the configuration that they run with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.model.finding import Finding
from pipeline.model.release import Release


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """A release and what its evidence says is in it."""

    release: Release
    packages: Mapping[str, frozenset[str]] | None
    """`type/name` to its versions; None where no software bill of materials was kept."""
    findings: tuple[Finding, ...] | None
    """None where nothing was scanned."""
    configuration: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something that has another value; "" stands for not being there."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """From one to the other. `unknown` says what could not be compared, and why."""

    images: tuple[Change, ...]
    configuration: tuple[Change, ...]
    packages: tuple[Change, ...]
    fixed: tuple[Finding, ...]
    introduced: tuple[Finding, ...]
    unknown: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing differs, as far as is known."""
        return not (self.images or self.configuration or self.packages or self.fixed or self.introduced)


def compare(old: Contents, new: Contents) -> Difference:
    """Every difference, by name."""
    unknown = []
    packages: tuple[Change, ...] = ()
    if old.packages is None or new.packages is None:
        unknown.append(f"packages: {_without(old, new, 'packages')} has no software bill of materials (a `scan` stage)")
    else:
        packages = _changes(_joined(old.packages), _joined(new.packages))
    fixed: tuple[Finding, ...] = ()
    introduced: tuple[Finding, ...] = ()
    if old.findings is None or new.findings is None:
        unknown.append(f"findings: {_without(old, new, 'findings')} was not scanned")
    else:
        fixed, introduced = _only(old.findings, new.findings), _only(new.findings, old.findings)
    return Difference(
        images=_changes(old.release.images, new.release.images),
        configuration=_changes(old.configuration, new.configuration),
        packages=packages,
        fixed=fixed,
        introduced=introduced,
        unknown=tuple(unknown),
    )


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    return tuple(
        Change(name=name, old=old.get(name, ""), new=new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _joined(packages: Mapping[str, frozenset[str]]) -> dict[str, str]:
    return {name: ", ".join(sorted(versions)) for name, versions in packages.items()}


def _only(those: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of one that the other has not, gravest first; a finding is known by its fingerprint."""
    known = {item.fingerprint for item in others}
    first: dict[str, Finding] = {}
    for item in those:
        if item.fingerprint not in known:
            first.setdefault(item.fingerprint, item)
    return tuple(sorted(first.values(), key=lambda item: (-item.severity.rank, item.rule, item.package, item.file)))


def _without(old: Contents, new: Contents, what: str) -> str:
    missing = [item.release.name for item in (old, new) if getattr(item, what) is None]
    return " and ".join(dict.fromkeys(missing))
