"""The signed index of Debian's security archive, fetched and verified by apt in folders of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import place
from .process import call

ARCHIVE = "http://security.debian.org/debian-security"
KEYRINGS = tuple(f"/usr/share/keyrings/debian-archive-keyring.{ending}" for ending in ("gpg", "pgp"))

_NETWORK = re.compile(
    r"resolve|[Cc]ould not connect|[Cc]onnection|timed? ?out|unreachable|[Uu]nable to connect|Temporary failure"
    r"|50\d +|407 "
)


def security_index(codename: str, architecture: str) -> Mapping[str, object]:
    """`{"codename", "architecture", "date", "valid_until", "versions": {package: newest version}}`, or
    `{"error", "kind"}` where kind is network, missing (no such release), expired or broken.

    Without `Error-Mode=any` an apt without a network reports success; so it is always given.
    """
    if not re.fullmatch(r"[a-z]{2,30}", codename) or not re.fullmatch(r"[a-z0-9]{2,20}", architecture):
        return {"error": f"no Debian release: {codename} {architecture}", "kind": "missing"}
    keyring = next((path for path in KEYRINGS if Path(path).exists()), None)
    if keyring is None:
        return {"error": "the scanners' base image has no Debian keyring", "kind": "broken"}
    root = place.SCRATCH / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True)
    (root / "status").touch()
    (root / "sources.list").write_text(
        f"deb [arch={architecture} signed-by={keyring}] {ARCHIVE} {codename}-security main\n"
    )
    ended = call(["apt-get", *_options(root, architecture), "update"], cwd=root, limit=120.0)
    if ended.code != 0:
        return {"error": reason(ended.err), "kind": kind(ended.err) if ended.code is not None else "network"}
    release = fields((root / "lists").glob("*_InRelease"))
    return {
        "codename": codename,
        "architecture": architecture,
        "date": release.get("Date", ""),
        "valid_until": release.get("Valid-Until", ""),
        "versions": versions(line for path in (root / "lists").glob("*_Packages") for line in _lines(path)),
    }


def _options(root: Path, architecture: str) -> tuple[str, ...]:
    values = {
        "Dir::State::lists": root / "lists",
        "Dir::Cache": root / "cache",
        "Dir::Etc::sourcelist": root / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::status": root / "status",
        "APT::Architecture": architecture,
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::GzipIndexes": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "10",
    }
    return tuple(word for name, value in values.items() for word in ("-o", f"{name}={value}"))


def kind(told: str) -> str:
    """What hindered apt: a release that is not there, an expired index, the network, or something else."""
    if "404" in told or "does not have a Release file" in told:
        return "missing"
    if "is expired" in told or "not valid yet" in told:
        return "expired"
    return "network" if _NETWORK.search(told) else "broken"


def reason(told: str) -> str:
    """apt's first complaint, without its prefix."""
    lines = [line[2:].strip() for line in told.splitlines() if line.startswith(("E:", "W:"))]
    return (lines or [told.strip() or "apt said nothing"])[0][:300]


def fields(paths: Iterable[Path]) -> Mapping[str, str]:
    """The `Name: value` lines of the first file."""
    for path in paths:
        return dict(line.rstrip("\n").split(": ", 1) for line in _lines(path) if re.match(r"[A-Z][\w-]*: ", line))
    return {}


def versions(lines: Iterable[str]) -> Mapping[str, list[str]]:
    """Package → versions, from the stanzas of a `Packages` file."""
    found: dict[str, list[str]] = {}
    package = ""
    for line in lines:
        if line.startswith("Package: "):
            package = line[9:].strip()
        elif line.startswith("Version: ") and package:
            found.setdefault(package, []).append(line[9:].strip())
    return found


def _lines(path: Path) -> Iterable[str]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from lines
