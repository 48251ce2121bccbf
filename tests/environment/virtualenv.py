"""The checkout's virtualenv, with the project and its tools installed into it once for each state of pyproject.toml."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from . import packages
from .places import CHECKOUT, Places
from .progress import call, step

VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin/python"


def provide(places: Places) -> bool:
    """Makes the virtualenv, and installs into it if pyproject.toml has changed; False if nothing was to do."""
    stamp = VENV / ".ecluse-stamp"
    if _stamp(stamp) == _wanted():
        return False
    lock = places.root / f"venv-{hashlib.sha256(os.fsencode(VENV)).hexdigest()[:12]}.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _stamp(stamp) == _wanted():
            return False
        wanted = list(packages.missing(packages.PYTHON))
        if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode:
            wanted.append("python3-venv")
        packages.install(wanted, places)
        hint = "It needs a Python package index that can be reached (PyPI, or the one in pip's configuration)."
        with step("installing the project and its tools into .venv, once"):
            if not _works():
                call([sys.executable, "-m", "venv", "--clear", VENV], log=places.log, hint=hint)
            call(
                [
                    PYTHON,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "-e",
                    f"{CHECKOUT}[server,dev]",
                ],
                log=places.log,
                hint=hint,
            )
        stamp.write_text(_wanted())
    return True


def _wanted() -> str:
    """The state that the virtualenv is to be in: of what it was made, where, by which Python."""
    project = hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{project} {VENV}\n"


def _stamp(stamp: Path) -> str | None:
    try:
        return stamp.read_text() if PYTHON.exists() else None
    except OSError:
        return None


def _works() -> bool:
    """Whether there is a virtualenv that was made at this very place and still has its Python and pip."""
    if not PYTHON.exists():
        return False
    probe = subprocess.run([PYTHON, "-c", "import pip, sys; print(sys.prefix)"], capture_output=True, text=True)
    script = VENV / "bin/pip"
    here = script.exists() and os.fsencode(VENV) in script.read_bytes()[:400]
    return probe.returncode == 0 and here
