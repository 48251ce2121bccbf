"""The server's image, built by its own Dockerfile from this checkout, on a base image of the test environment."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .places import CHECKOUT, Places
from .progress import UnavailableError, step

DOCKERFILE = "examples/server/Dockerfile"
EXTRAS = ("server", "postgres", "s3")
PARTS = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "pipeline", "stages", "schemas", "examples/server")


@contextmanager
def server_image(places: Places, folder: Path, *, url: str, base: str, name: str, packages: str = "") -> Iterator[str]:
    """Build it in `folder` without any network but that of Debian's `packages`; it is removed after the body."""
    _fill(places, folder)
    words = ["docker", "build", "--quiet", "--file", folder / DOCKERFILE, "--tag", name]
    for argument in (f"BASE={base}", "PIP_NO_INDEX=1", f"PACKAGES={packages}"):
        words += ["--build-arg", argument]
    environment = {**os.environ, "DOCKER_HOST": url}
    with step("building the server's image"):
        done = subprocess.run(
            [*map(str, words), str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise AssertionError(f"the image cannot be built:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    try:
        yield name
    finally:
        subprocess.run(["docker", "image", "rm", "--force", name], env=environment, capture_output=True, check=False)


def _fill(places: Places, folder: Path) -> None:
    """The checkout as a fresh clone would have it, and the wheels beside it."""
    for part in PARTS:
        source, target = CHECKOUT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    shutil.copy(CHECKOUT / ".dockerignore", folder / ".dockerignore")
    shutil.copytree(_wheels(places), folder / "wheels")


def _wheels(places: Places) -> Path:
    """Those of all that the project needs, for the Python of the base image; fetched once for each state of it."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    more = project["project"]["optional-dependencies"]
    needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    needed += [item for extra in EXTRAS for item in more[extra]]
    key = hashlib.sha256("\n".join(needed).encode()).hexdigest()[:12]
    home = places.root / "wheels"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (home / key).exists():
            for old in home.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            draft = home / f"{key}.new"
            words = [
                "--dest",
                draft,
                "--only-binary=:all:",
                "--python-version=3.11",
                "--disable-pip-version-check",
                "-q",
            ]
            with step("fetching the wheels of the server's image, once"):
                done = subprocess.run(
                    [sys.executable, "-m", "pip", "download", *map(str, words), *needed],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                )
            if done.returncode:
                raise UnavailableError(f"pip cannot fetch the server's wheels: {done.stderr.strip()[-200:]}")
            draft.rename(home / key)
    return home / key
