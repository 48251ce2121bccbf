"""Find a docker command that really builds with BuildKit on this engine; the verdict is remembered."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dockerapi import address, translating
from pipeline.model.identity import LABEL_INSTALLATION
from pipeline.settings import Settings

TRIAL = 60.0
"""Seconds that a trial build may take; it takes a fifth of one."""
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildClient:
    """A docker command that builds with BuildKit: `program` is its path."""

    program: str
    version: str


def build_environment(settings: Settings) -> dict[str, str]:
    """The environment in which a docker command builds on the engine of the settings, on its default builder."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DOCKER_CONTEXT", "BUILDX_CONFIG")}
    return environment | {
        "DOCKER_HOST": address(settings),
        "DOCKER_BUILDKIT": "1",
        "BUILDX_BUILDER": "default",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "BUILDKIT_PROGRESS": "plain",
        "DOCKER_CLI_HINTS": "false",
        "LC_ALL": "C",
    }


def find_build_client(settings: Settings, client: Any) -> BuildClient | None:
    """The first docker command of this machine whose trial build succeeds; None when there is none.

    A trial (`FROM scratch`, nothing is fetched) is made once for each engine and command and remembered in
    `home/cache/builders.json`; a new version of either is tried anew.
    """
    with translating("ask the engine for its version"):
        engine = client.version()
    seen = f"{address(settings)} {engine.get('Version')} {engine.get('KernelVersion')}"
    memory = settings.home / "cache" / "builders.json"
    with _lock:
        known = _read(memory)
        for program in _candidates():
            facts = program.stat()
            key = f"{program} {facts.st_size} {facts.st_mtime_ns} {seen}"
            if key not in known:
                known[key] = _tried(str(program), settings, client)
                _write(memory, known)
            if known[key]:
                return BuildClient(program=str(program), version=known[key])
    return None


def _candidates() -> list[Path]:
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    found = (shutil.which("docker", path=folder) for folder in folders if folder)
    return list(dict.fromkeys(Path(path).resolve() for path in found if path))


def _tried(program: str, settings: Settings, client: Any) -> str:
    """The command's version, or "" when it cannot build."""
    environment = build_environment(settings)
    with tempfile.TemporaryDirectory(prefix="ecluse-trial-") as scratch:
        identity = Path(scratch, "id")
        label = f"{LABEL_INSTALLATION}={settings.installation}"
        command = (program, "build", "-q", "--iidfile", str(identity), "--label", label, "-")
        try:
            version = subprocess.run(
                (program, "--version"), env=environment, capture_output=True, check=True, timeout=TRIAL
            )
            subprocess.run(command, input=_context(), env=environment, capture_output=True, check=True, timeout=TRIAL)
            image = identity.read_text().strip()
        except (OSError, subprocess.SubprocessError):
            return ""
    with suppress(Exception), translating("remove the trial image"):
        client.remove_image(image)
    found = re.search(r"version (\S+?),?(?:\s|$)", version.stdout.decode(errors="replace"))
    return found[1] if found else "unknown"


def _context() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        content = b"FROM scratch\nCOPY Dockerfile /\n"
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, Mapping) else {}


def _write(path: Path, known: Mapping[str, str]) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(known, indent=1))
        draft.replace(path)
