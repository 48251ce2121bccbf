"""A swarm of two nodes that stays up between commands: a process of its own holds it until it is told to end."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

from . import packages, processes
from .places import CHECKOUT, Places
from .progress import UnavailableError, privileged, step, tail
from .servers import eventually
from .swarm import swarm

NODES = ("node1", "node2")
NEEDS = {**packages.ENGINE, "docker-registry": "docker-registry"}
STARTS_WITHIN = 120.0
ENDS_WITHIN = 90.0
_HOLD = "import sys; sys.path.insert(0, sys.argv[1]); from environment.standing_swarm import hold; hold(sys.argv[2])"


def up(places: Places) -> str:
    """Shell lines with its addresses, once it is up. Takes about ten seconds where it is not."""
    facts, note = _facts(places), _note(places)
    if processes.recall(note) and facts.exists():
        return facts.read_text()
    packages.install(packages.missing(NEEDS), places)
    facts.unlink(missing_ok=True)
    folder = _folder(places)
    folder.mkdir(exist_ok=True, mode=0o700)
    log = places.root / "swarm.log"
    with step("starting a swarm of two nodes"), log.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(CHECKOUT / "tests"), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            cwd="/",
        )
        processes.remember(note, child.pid)

        def ready() -> bool | None:
            if child.poll() is not None:
                raise UnavailableError(f"the swarm did not start\n{tail(log)}")
            return True if facts.exists() else None

        eventually(ready, seconds=STARTS_WITHIN, what="the swarm")
    return facts.read_text()


def down(places: Places) -> bool:
    """End it with all that runs on it; False where none was up."""
    held = processes.recall(_note(places))
    if held is not None:
        with step("stopping the swarm"):
            processes.stop(held, grace=ENDS_WITHIN)
    _note(places).unlink(missing_ok=True)
    _facts(places).unlink(missing_ok=True)
    subprocess.run([*privileged(), "rm", "-rf", "--one-file-system", "--", str(_folder(places))], check=False)
    return held is not None


def variables(places: Places) -> str:
    """The shell lines of one that is up; "" where none is."""
    facts = _facts(places)
    return facts.read_text() if processes.recall(_note(places)) and facts.exists() else ""


def hold(folder: str) -> None:
    """Hold a swarm in that folder until SIGTERM; its addresses are written once it takes orders."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with swarm(Path(folder), names=NODES) as found:
        found.await_nodes(len(NODES))
        told = {
            "ECLUSE_TEST_SWARM": found.manager.url,
            "ECLUSE_TEST_SWARM_NODE": found.manager.address,
            "ECLUSE_TEST_SWARM_REGISTRY": found.registry,
        }
        lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in told.items())
        draft = Path(folder) / ".facts"
        draft.write_text(lines)
        draft.replace(Path(folder) / "facts")
        ended.wait()


def _folder(places: Places) -> Path:
    return places.sockets / "swarm"


def _facts(places: Places) -> Path:
    return _folder(places) / "facts"


def _note(places: Places) -> Path:
    return places.state / "swarm.json"
