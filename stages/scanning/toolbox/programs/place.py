"""Where the programs find the image and leave their results: one folder in the stage's workspace."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

WORKSPACE = Path("/workspace")
FOLDER = WORKSPACE / ".ecluse-scan"
IMAGE = FOLDER / "image.tar"
RESULTS = FOLDER / "results"
SCRATCH = FOLDER / "tmp" if WORKSPACE.is_dir() else Path("/tmp/scan")  # noqa: S108 (the container's own)
PACKAGES = Path(__file__).resolve().parents[1] / "venv"


def tool(name: str, *inside: str) -> str:
    """The path of a tool: a script of the virtual environment, or the binary that a package brings along."""
    if not inside:
        return str(PACKAGES / "bin" / name)
    return str(next(PACKAGES.glob("/".join(("lib/python3*/site-packages", *inside, name)))))


def fresh(folder: Path) -> None:
    """An empty folder, whatever an earlier stage left under that name (a link, a file, made-up results)."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def write(name: str, value: object) -> None:
    """Leave a JSON result."""
    (RESULTS / name).write_text(json.dumps(value), encoding="utf-8")


def say(line: str) -> None:
    """A line for the stage's log; standard output belongs to answers."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def environment() -> Mapping[str, str]:
    """Settings of the tools: no configuration of the scanned source or of a home folder, no calls home."""
    return {
        "HOME": str(SCRATCH),
        "XDG_CONFIG_HOME": str(SCRATCH),
        "XDG_CACHE_HOME": str(SCRATCH),
        "TMPDIR": str(SCRATCH),
        "SYFT_CHECK_FOR_APP_UPDATE": "false",
        "SYFT_FILE_METADATA_SELECTION": "none",
        "LC_ALL": "C.UTF-8",
    }


def tidy() -> None:
    """Leave nothing of a scan to the stages that come after it."""
    if FOLDER.is_symlink() or FOLDER.is_file():
        FOLDER.unlink()
    elif FOLDER.is_dir():
        shutil.rmtree(FOLDER)
