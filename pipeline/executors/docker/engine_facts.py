"""What has to be known of an engine once: whether it mounts overlays, and in which boot of its host we are."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.errors import EngineError, SettingsError
from pipeline.executors.docker import sweep
from pipeline.executors.docker.depot import Depot
from pipeline.executors.docker.slots import Slots
from pipeline.executors.docker.workspace_overlay import EMPTY_TAR, OverlayWorkspace
from pipeline.model.container import View
from pipeline.model.identity import TRIAL, RunIdentity
from pipeline.settings import Settings

if TYPE_CHECKING:
    from docker import APIClient

BOOT = Path("/proc/sys/kernel/random/boot_id")
KINDS = ("auto", "overlay", "copy")

_engines: dict[APIClient, str] = {}
_asking = threading.Lock()


def boot_of(address: str) -> str:
    """The boot of the engine's host where that is this host; "" where it cannot be known."""
    if not address.startswith("unix:"):
        return ""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def choose_workspace(client: APIClient, settings: Settings) -> str:
    """overlay | copy: as the settings say, else tried once for each engine and remembered under `home/cache`."""
    if settings.workspace not in KINDS:
        raise SettingsError(f"setting 'workspace' is '{settings.workspace}'", hint="one of " + ", ".join(KINDS))
    if settings.workspace != "auto":
        return settings.workspace
    engine = engine_of(client)
    memory = settings.home / "cache" / "workspaces.json"
    known = _read(memory)
    if engine not in known:
        known[engine] = "overlay" if mounts_overlays(client, settings) else "copy"
        _write(memory, known)
    return known[engine]


def engine_of(client: APIClient) -> str:
    """The identity of the engine, asked for once: that takes it as long as making a volume."""
    with _asking:
        if client not in _engines:
            with translating("ask the engine for its identity"):
                _engines[client] = str(client.info()["ID"])
        return _engines[client]


def mounts_overlays(client: APIClient, settings: Settings) -> bool:
    """Try it: a file written into a layer must be seen through a mount of two."""
    # twice: `gc --abandon` may take away what it finds of a trial
    return any(_mounts_an_overlay(client, settings) for _ in range(2))


def _mounts_an_overlay(client: APIClient, settings: Settings) -> bool:
    # no run: `gc` leaves it alone for an hour, so that one beside us takes nothing away from under it
    trial = RunIdentity(installation=settings.installation, run=f"{TRIAL}{secrets.token_hex(4)}")
    depot = Depot(client, trial, small=True)
    depot.furnish()
    overlay = OverlayWorkspace(client, trial, depot, Slots(client, trial, depot))
    try:
        overlay.fill("lower", iter((EMPTY_TAR,)))
        overlay.mount(View(layer="upper", below=("lower",)))
        return any(True for _ in overlay.archive(View(layer="upper", below=("lower",)), ""))
    except EngineError as error:
        if error.transient:
            raise
        return False
    finally:
        sweep.remove(client, sweep.find(client, trial.installation, trial.run))


def _read(path: Path) -> dict[str, str]:
    try:
        return {str(key): str(value) for key, value in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _write(path: Path, known: dict[str, str]) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(known, indent=1))
        draft.replace(path)
    except OSError:
        # only a memory: the next run tries again
        return
