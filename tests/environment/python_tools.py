"""Programs from PyPI, each in a virtualenv of its own in the cache; what cannot be had says why in one line."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .places import Places
from .progress import UnavailableError, step

_WHY = re.compile(r"^ *(?:.* )?(?:ERROR|error): (?!Ignored)(.*)$", re.MULTILINE)


def provide(places: Places, requirement: str, program: str, *, beside: Sequence[str] = ()) -> Path:
    """The program of `requirement` (name==version), with what stands `beside` it in its virtualenv; fetched once."""
    folder = places.root / "peers" / requirement.replace("==", "-")
    found = folder / "bin" / program
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if found.exists():
            return found
        with step(f"fetching {requirement}, once"):
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            ended = subprocess.run(
                [
                    folder / "bin/python",
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    "--disable-pip-version-check",
                    requirement,
                    *beside,
                ],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
        if ended.returncode or not found.exists():
            shutil.rmtree(folder, ignore_errors=True)
            reasons = _WHY.findall(ended.stderr) or [f"it has no program {program}"]
            raise UnavailableError(f"pip cannot install {requirement}: {reasons[-1][:150]}")
    return found
