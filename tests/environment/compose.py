"""Compose of both generations: the older one of this Debian, and the plugin, from a later one where it lacks."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .packages import mirror, proxy
from .places import Places
from .progress import UnavailableError, call, step
from .servers import program

PLUGIN = "usr/libexec/docker/cli-plugins/docker-compose"
SUITE = "trixie"
"""The first Debian whose docker-compose is the plugin; it needs nothing but libc."""
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
HINT = "To do it by hand: install docker-compose-plugin or docker-compose-v2"


def plugin(places: Places) -> Mapping[str, str]:
    """Variables with which the plugin is found: this machine's own, or one that is kept in the cache."""
    asked = subprocess.run(["docker", "compose", "version"], stdin=subprocess.DEVNULL, capture_output=True)
    if asked.returncode == 0:
        return {}
    home = places.root / "compose"
    there = home / "config/cli-plugins/docker-compose"
    with _alone(places):
        if not there.exists():
            with step(f"fetching docker-compose of Debian {SUITE}"):
                _fetch(home, places)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(home / "unpacked" / PLUGIN, there.with_suffix(".new"))
            there.with_suffix(".new").rename(there)
            shutil.rmtree(home / "unpacked")
            shutil.rmtree(home / "apt")
    return {"DOCKER_CONFIG": str(home / "config")}


def older(folder: Path) -> Mapping[str, str]:
    """Variables with which nothing but the older `docker-compose` is found, whatever plugins this machine has."""
    tools = folder / "only-the-older"
    tools.mkdir()
    for name in ("docker-compose", "setpriv", "sh"):
        (tools / name).symlink_to(program(name, name))
    asked = subprocess.run([tools / "docker-compose", "version", "--short"], capture_output=True, text=True)
    if not asked.stdout.startswith("1."):
        raise UnavailableError(f"docker-compose is {asked.stdout.strip() or 'broken'} here, and 1.29 is wanted")
    return {"PATH": str(tools)}


def _fetch(home: Path, places: Places) -> None:
    """Download the package, checked by Debian's keys, and unpack it; nothing is installed."""
    apt = home / "apt"
    shutil.rmtree(home, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    source = apt / "sources.list"
    source.write_text(f"deb [signed-by={KEYS}] {mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::SourceList": source, "Dir::Etc::SourceParts": "/dev/null", "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache", "Acquire::Retries": 3, "APT::Sandbox::User": "root", "Acquire::Languages": "none",
    }  # fmt: skip
    words = ["apt-get", "-q", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    call([*words, "update"], log=places.log, hint=HINT, env=proxy())
    script = f'cd "$0" && "$@" download docker-compose/{SUITE} && dpkg-deb -x docker-compose_*.deb ../unpacked'
    call(["bash", "-ec", script, apt, *words], log=places.log, hint=HINT, env=proxy())


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    handle = os.open(places.state / "compose.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
