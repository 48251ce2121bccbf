"""The commands of `environment.sh`."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from types import FrameType

from . import engine, images, leftovers, processes, registry, session, standing_swarm, virtualenv
from .places import CHECKOUT, SCRIPT, find
from .progress import UnavailableError, privileged

USAGE = f"""{SCRIPT} COMMAND

  up               bring up what is missing: packages, engine, base images, registry; it stays up until `down`
  down             stop what `up` started, and nothing else; the image cache is kept
  status           what is up, and where the cache is
  env              shell lines with the addresses (for `eval`), once it is up
  python           make the virtualenv .venv and install the project into it; prints its interpreter
  swarm            bring up a swarm of two nodes beside it, until `down`; prints its addresses as shell lines
  images           bring up the engine and the images only
  run -- COMMAND   everything up, COMMAND, then stop what was started for it and verify that nothing of ours is left
  purge            `down`, then remove the cache as well

  ECLUSE_ENV_DIR   cache and state (default: ecluse-env in the user's cache folder)
  DOCKER_HOST      an engine to use; it is left alone"""


def main() -> int:
    """Runs one command; its exit code."""
    command, rest = (sys.argv[1:2] or ["help"])[0], sys.argv[2:]
    commands = {
        "up": _up,
        "down": _down,
        "status": _status,
        "env": _env,
        "python": _python,
        "images": _images,
        "swarm": _swarm,
        "purge": _purge,
    }
    try:
        if command == "run":
            return _run(rest[1:] if rest[:1] == ["--"] else rest)
        if command in commands:
            return commands[command]()
    except (UnavailableError, PermissionError) as error:
        print(f"environment: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(USAGE)
    return 0 if command in ("help", "-h", "--help") else 2


def _line(part: str, state: str, what: str) -> None:
    print(f"{part:<9} {state:<8} {what}")


def _up() -> int:
    places = find()
    facts = session.up(places, keep=True)
    _line(
        "engine",
        "started" if "engine" in facts.started else "used",
        f"{facts.engine.url} ({facts.engine.version})",
    )
    for image in images.IMAGES:
        _line("image", "imported" if image.name in facts.started else "used", image.name)
    _line("registry", "started" if "registry" in facts.started else "used", facts.registry)
    return 0


def _down() -> int:
    places = find()
    swarm = ["swarm stopped"] if standing_swarm.down(places) else []
    for line in [*swarm, *session.down(places)] or ["nothing of ours was up"]:
        print(f"environment: {line}")
    return 0


def _status() -> int:
    places = find()
    try:
        found = engine.find(places) or engine.neighbour()
    except UnavailableError as error:
        found = None
        print(f"environment: {error}", file=sys.stderr)
    if found:
        _line("engine", "ours" if found.ours else "foreign", f"{found.url} ({found.version})")
    else:
        _line("engine", "down", "")
    identity = processes.recall(places.state / "registry.json")
    port = places.state / "registry.port"
    up = identity and port.exists() and registry.answers(int(port.read_text()))
    _line("registry", "ours" if up else "down", f"127.0.0.1:{port.read_text()}" if up else "")
    held = ["an earlier `up`"] if (places.state / "keep").exists() else []
    held += [f"process {pid}" for pid in session.users(places)]
    _line("held by", "", ", ".join(held) or "nobody")
    _line(
        "cache",
        "",
        f"{places.root} ({session.cache_size(places.root) >> 20} MiB; `{SCRIPT} purge` removes it)",
    )
    return 0 if found and up else 3


def _env() -> int:
    places = find()
    if not places.facts.exists():
        raise UnavailableError(f"nothing is up: {SCRIPT} up")
    print(places.facts.read_text() + standing_swarm.variables(places), end="")
    return 0


def _swarm() -> int:
    places = find()
    with session.locked(places):
        print(standing_swarm.up(places), end="")
    return 0


def _python() -> int:
    virtualenv.provide(find())
    print(virtualenv.PYTHON)
    return 0


def _images() -> int:
    places = find()
    with session.locked(places):
        found = engine.find(places) or engine.neighbour() or engine.start(places)
        (places.state / "keep").touch()
        images.provide(places, found.url)
    print(*(image.name for image in images.IMAGES), sep="\n")
    return 0


def _run(command: list[str]) -> int:
    """Runs a command in the environment; its exit code, or 1 if it left something of ours behind."""
    if not command:
        raise UnavailableError("run: which command?")
    mark = secrets.token_hex(6)
    with session.held() as facts:
        before = leftovers.objects(facts.engine.url, None)
        variables = {**os.environ, **facts.variables(), leftovers.MARK: mark}
        # An installed command has its bytecode; without, each of thousands of processes would compile it all again.
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        # A background job of a shell ignores SIGINT, and its children with it: ours shall not.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        child = subprocess.Popen(command, env=variables)
        asked = False

        def hand_on(_number: int, _frame: FrameType | None) -> None:
            nonlocal asked
            child.send_signal(signal.SIGTERM if asked else signal.SIGINT)
            asked = True

        # Ctrl-C reaches the child by itself, as it is in our process group; SIGTERM is handed on as the signal
        # on which pytest ends its fixtures, and only the second time as what it is. We stay to clean up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, hand_on)
        code = child.wait()
        clean = _sweep(facts, mark, before)
    return (128 - code if code < 0 else code) or int(not clean)


def _sweep(facts: session.Facts, mark: str, before: dict[str, str]) -> bool:
    """Names and removes what a run has left on the engine and as processes; whether that was nothing."""
    url = facts.engine.url
    # On an engine that was started for us, everything new is ours, as long as nobody else has come to use it.
    left = leftovers.objects(url, None)
    if "engine" not in facts.started or session.shared(find(), os.getpid()):
        left = leftovers.objects(url, mark)
    left = {name: kind for name, kind in left.items() if name not in before}
    for name, kind in left.items():
        print(f"environment: left behind on the engine: {kind} {name}", file=sys.stderr)
    leftovers.remove(url, left)
    leftovers.remove_images(url, mark)
    alive = leftovers.processes(mark)
    for pid, words in alive.items():
        print(f"environment: left behind: process {pid} {words}", file=sys.stderr)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not left and not alive


def _purge() -> int:
    places = find()
    _down()
    if session.users(places):
        return 1
    shutil.rmtree(places.root, ignore_errors=True)
    if places.root.exists():
        subprocess.run([*privileged(), "rm", "-rf", "--one-file-system", "--", str(places.root)])
    if places.sockets != places.root:
        shutil.rmtree(places.sockets, ignore_errors=True)
    print(f"environment: removed {places.root}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT / "tests"))
    sys.exit(main())
