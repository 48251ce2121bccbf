"""What a test session has left behind: objects on the engine, and processes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

# The label that names the installation an object belongs to (pipeline/model/identity.py).
LABEL = "io.ecluse.installation"
# Every process of a session inherits this variable; every installation made by a session's tests ends with its value.
MARK = "ECLUSE_TEST_SESSION"
KINDS = {
    "container": ("ps", "--all", "--no-trunc"),
    "volume": ("volume", "ls"),
    "network": ("network", "ls", "--no-trunc"),
}
REMOVE = {
    "container": ("rm", "--force", "--volumes"),
    "volume": ("volume", "rm", "--force"),
    "network": ("network", "rm"),
}
OWN_NETWORKS = ("bridge", "host", "none")


def objects(url: str, mark: str | None) -> dict[str, str]:
    """Containers, volumes and networks on the engine, name → kind: those of one session, or all for None."""
    found = {}
    for kind, words in KINDS.items():
        filters = [] if mark is None else ["--filter", f"label={LABEL}"]
        for line in _docker(url, *words, *filters, "--format", "{{json .}}").splitlines():
            item = json.loads(line)
            name = item.get("Names") or item["Name"]
            labels = dict(pair.partition("=")[::2] for pair in item.get("Labels", "").split(","))
            if kind == "network" and name in OWN_NETWORKS:
                continue
            if mark is None or labels.get(LABEL, "").endswith(mark):
                found[name] = kind
    return found


def remove(url: str, left: dict[str, str]) -> None:
    """Removes objects that were found left behind, containers first."""
    for kind, words in REMOVE.items():
        for name in (name for name, its in left.items() if its == kind):
            subprocess.run(["docker", *words, name], env={**os.environ, "DOCKER_HOST": url}, capture_output=True)


def remove_images(url: str, mark: str) -> None:
    """Removes the images that a session's installations have built, so that the engine's store does not grow."""
    ids = set(_docker(url, "images", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split())
    if not ids:
        return
    form = f'{{{{.Id}}}} {{{{index .Config.Labels "{LABEL}"}}}}'
    pairs = (line.split() for line in _docker(url, "image", "inspect", "--format", form, *sorted(ids)).splitlines())
    ours = [pair[0] for pair in pairs if len(pair) == 2 and pair[1].endswith(mark)]
    if ours:
        command = ["docker", "image", "rm", "--force", *ours]
        subprocess.run(command, env={**os.environ, "DOCKER_HOST": url}, capture_output=True)


def processes(mark: str, *, within: float = 3.0) -> dict[int, str]:
    """Processes of a session other than this one that still run after `within` seconds: pid → command line."""
    deadline = time.monotonic() + within
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _marked(mark: str) -> dict[int, str]:
    wanted, found = f"{MARK}={mark}".encode(), {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


def _docker(url: str, *words: str) -> str:
    return subprocess.run(
        ["docker", *words], env={**os.environ, "DOCKER_HOST": url}, capture_output=True, text=True, check=True
    ).stdout
