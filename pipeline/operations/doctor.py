"""Examining this machine: what Écluse needs, whether it is there, and what to do where it is not."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.status import RunState
from pipeline.operations.deployed import deployed
from pipeline.operations.policy import policy_of
from pipeline.operations.registry_logins import configuration, logins
from pipeline.operations.runner_process import Life, life_of
from pipeline.ports.application import Application
from pipeline.ports.executor import ExecutorInfo
from pipeline.ports.records import RunFilter
from pipeline.settings import certificate_bundle
from pipeline.targets.compose.installed import installed

GIT_NEEDED = (2, 32)
API_NEEDED = (1, 40)
COMPOSE = "compose"
_LATEST = 200
"""Promotions that are looked at for compose targets."""
_MIB = 1024 * 1024
_FEW = 2048 * _MIB
_TOO_FEW = 256 * _MIB


class Health(StrEnum):
    """Fine, worth knowing, or in the way."""

    FINE = "fine"
    WARNED = "warned"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing examined: what was seen, and the remedy where it is not fine."""

    name: str
    health: Health
    detail: str
    remedy: str = ""


def examine(app: Application, *, progress: Callable[[str], None]) -> Iterator[Finding]:
    """Examine one thing after the other; nothing is changed but the home folder, which is made if it is missing."""
    yield from _settings(app)
    progress("git")
    yield _git()
    progress("records")
    yield from _records(app)
    progress("container engine")
    yield from _engine(app)
    if app.settings.executor == "swarm":
        progress("swarm")
        yield _swarm(app)
    progress("registry logins")
    yield from _logins(app.environment)
    progress("policy")
    yield from _policy(app)
    progress("compose")
    yield from _compose(app)


def _fine(name: str, detail: str) -> Finding:
    return Finding(name=name, health=Health.FINE, detail=detail)


def _warned(name: str, detail: str, remedy: str) -> Finding:
    return Finding(name=name, health=Health.WARNED, detail=detail, remedy=remedy)


def _failed(name: str, detail: str, remedy: str) -> Finding:
    return Finding(name=name, health=Health.FAILED, detail=detail, remedy=remedy)


def _settings(app: Application) -> Iterator[Finding]:
    try:
        home = app.settings.home
        installation = app.settings.installation
        bundle = certificate_bundle(app.settings)
    except EcluseError as error:
        yield _failed("settings", error.message, error.hint)
        return
    yield _fine("settings", f"installation {installation[:8]}" + (f", certificates {bundle}" if bundle else ""))
    yield _home(home)
    yield _disk("disk of the home folder", home, "free space there, run `ecluse gc`, or move ECLUSE_HOME")


def _home(home: Path) -> Finding:
    facts = home.stat()
    if facts.st_uid != os.getuid():
        return _failed("home folder", f"{home} belongs to another user", "point ECLUSE_HOME to a folder of your own")
    if not os.access(home, os.W_OK | os.X_OK):
        return _failed("home folder", f"{home} cannot be written", f"chmod u+rwx {home}")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        return _warned("home folder", f"others can read {home}, which holds logs", f"chmod 700 {home}")
    return _fine("home folder", str(home))


def _disk(name: str, path: Path, remedy: str) -> Finding:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        return _warned(name, f"{path} cannot be measured: {error.strerror}", "measure it by hand: df -h")
    words = f"{usage.free // _MIB:,} MiB free of {usage.total // _MIB:,} at {path}"
    if usage.free < _TOO_FEW:
        return _failed(name, words, remedy)
    return _warned(name, words, remedy) if usage.free < _FEW else _fine(name, words)


def _git() -> Finding:
    remedy = f"install git {'.'.join(map(str, GIT_NEEDED))} or newer and put it on the PATH"
    try:
        answer = subprocess.run(("git", "--version"), capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return _failed("git", "the git command is not installed", remedy)
    words = answer.stdout.decode(errors="replace").strip()
    return _fine("git", words) if _version(words) >= GIT_NEEDED else _failed("git", f"{words} is too old", remedy)


def _policy(app: Application) -> Iterator[Finding]:
    """Whether the policy can be read; and whose targets this user reaches, past all gates."""
    if not app.settings.policy:
        return
    try:
        policy = policy_of(app.settings)
    except EcluseError as error:
        yield _failed("policy", error.message, error.hint or "`ecluse check --policy FILE` shows every problem")
        return
    yield _fine("policy", f"{app.settings.policy}, revision {policy.revision.removeprefix('sha256:')[:12]}")
    for environment in policy.environments or ():
        if environment.gates:
            yield _gates(app, environment)


def _gates(app: Application, environment: EnvironmentDefinition) -> Finding:
    """Gates bind only people who cannot change the target themselves."""
    name = f"gates of {environment.name}"
    try:
        app.target(environment, service="doctor").observe()
    except EcluseError:
        return _fine(name, "its target cannot be reached from here without them")
    return _warned(
        name,
        f"this user reaches its target ({environment.target_kind}) directly, and can change it past every gate",
        "give the target's credentials only to whom carries out promotions",
    )


def _compose(app: Application) -> Iterator[Finding]:
    """Which compose is here; needed only where something is deployed by it."""
    wanted = _composed(app)
    try:
        found = installed(app.environment)
    except EcluseError as error:
        if wanted:
            yield _failed("compose", f"{error.message}, and environment '{wanted}' is a compose target", error.hint)
        else:
            yield _fine("compose", f"none here; only a compose target needs it: {error.hint}")
        return
    older = "" if found.plugin else "; the plugin (`docker compose`) is several times as quick"
    yield _fine("compose", f"{found.version}, {' '.join(found.words)}{older}")


def _composed(app: Application) -> str:
    """An environment that this machine deploys to by compose, of the policy or one that is live; "" for none."""
    with suppress(EcluseError):
        for environment in (policy_of(app.settings).environments or ()) if app.settings.policy else ():
            if environment.target_kind == COMPOSE:
                return environment.name
    with suppress(EcluseError):
        latest = {item.environment: item for item in reversed(app.records.promotions(limit=_LATEST))}
        for promotion in latest.values():
            with suppress(NotFoundError):
                if deployed(app, promotion).environment.target_kind == COMPOSE:
                    return promotion.environment
    return ""


def _version(words: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", words)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _records(app: Application) -> Iterator[Finding]:
    try:
        unfinished = app.records.runs(RunFilter(state=RunState.RUNNING, limit=1000))
    except EcluseError as error:
        yield _failed("records", error.message, error.hint)
        return
    gone = [str(run.number) for run in unfinished if life_of(run.runner) is Life.GONE]
    if gone:
        words = f"nobody runs these any more: {', '.join(gone)}"
        yield _warned("records", words, "close them and remove what they left: ecluse gc --abandon")
    else:
        yield _fine("records", f"{len(unfinished)} runs under way")


def _engine(app: Application) -> Iterator[Finding]:
    try:
        info = app.executor("docker").probe()
    except EcluseError as error:
        remedy = _socket_remedy(app) or error.hint
        if app.settings.executor == "docker":
            yield _failed("container engine", error.message, remedy)
        else:
            words = f"{error.message}; stages run without one (setting executor: {app.settings.executor})"
            yield _warned("container engine", words, remedy)
        return
    details = info.details
    api = details.get("api", "")
    words = f"{info.version}, API {api}, {details.get('system', '')}, at {details.get('address', '')}"
    if _version(api) < API_NEEDED:
        yield _failed("container engine", f"{words}: too old", "update it to Docker Engine 19.03 or newer")
    else:
        yield _fine("container engine", words)
    yield _workspace(info)
    yield _engine_disk(info)


def _swarm(app: Application) -> Finding:
    """Whether the engine that the settings name takes orders for a swarm, and how many nodes it has."""
    try:
        details = app.executor("swarm").probe().details
    except EcluseError as error:
        return _failed("swarm", error.message, error.hint)
    words = f"a manager, {details['nodes']}, {details['processors']} processors"
    if details["away"]:
        return _warned("swarm", f"{words}; away: {details['away']}", "`docker node ls` says since when")
    return _fine("swarm", words)


def _socket_remedy(app: Application) -> str:
    address = app.settings.docker_host or app.environment.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    socket = Path(address.removeprefix("unix://"))
    if not address.startswith("unix://"):
        return ""
    try:
        if not socket.exists() or os.access(socket, os.R_OK | os.W_OK):
            return ""
        group = socket.group()
    except (OSError, KeyError):
        return ""
    return f"{socket} belongs to group '{group}': sudo usermod -aG {group} $USER, then log in again"


def _workspace(info: ExecutorInfo) -> Finding:
    storage = info.details.get("storage", "")
    if info.workspace == "overlay":
        return _fine("workspaces", f"layers of an overlay, storage driver {storage}")
    return _warned(
        "workspaces",
        f"copies, because this engine cannot mount overlays (storage driver {storage}); stages start more slowly",
        "nothing has to be done; an engine on ext4 or xfs with overlay2 can",
    )


def _engine_disk(info: ExecutorInfo) -> Finding:
    root = Path(info.details.get("root", ""))
    local = info.details.get("address", "").startswith("unix:") and root.is_absolute()
    if not local:
        return _fine("disk of the engine", "on another host, not measured")
    return _disk("disk of the engine", root, "free space there: docker system df, then docker image prune")


def _logins(environment: Mapping[str, str]) -> Iterator[Finding]:
    path = configuration(environment)
    try:
        found = logins(path)
    except (OSError, ValueError) as error:
        yield _warned("registry logins", f"{path} cannot be read: {error}", "mend it, or log in again: docker login")
        return
    if not found:
        yield _fine("registry logins", f"none in {path}; secrets of a stage work without")
    for login in found:
        name = f"login to {login.registry}"
        if login.usable:
            yield _fine(name, login.detail)
        elif login.usable is None:
            yield _warned(name, login.detail, "check the network and the proxy settings")
        else:
            yield _warned(name, login.detail, f"log in again: docker login {login.registry}")
