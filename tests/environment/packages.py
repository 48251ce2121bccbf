"""Debian packages: what is looked for, what it comes from, and their installation in one go."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .places import CHECKOUT, Places
from .progress import call, step

ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"

# What is looked for (a command, or a file by its path) → the package that has it.
PYTHON = {"/etc/ssl/certs/ca-certificates.crt": "ca-certificates", "git": "git"}
CLIENT = {"docker": "docker.io"}
ENGINE = {"dockerd": "docker.io", "iptables": "iptables", "ip": "iproute2"}
IMAGES = {"debootstrap": "debootstrap", "busybox": "busybox-static", "wget": "wget"}
SERVERS = {
    "docker-registry": "docker-registry",
    "prometheus": "prometheus",
    "prometheus-pushgateway": "prometheus-pushgateway",
    "nagios4": "nagios4-core",
    "nsca": "nsca",
    "haproxy": "haproxy",
    "docker-compose": "docker-compose",
    # Engines of several hosts, also where the one of this host is somebody else's.
    **ENGINE,
    "sshd": "openssh-server",
    # Looks at the units that we give away; no service of it is started.
    "systemd-analyze": "systemd",
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
    # Nagios demands something that takes mail: this one is no daemon.
    "/usr/sbin/sendmail": "msmtp-mta",
}


def locate(command: str) -> str | None:
    """The path of a command, also where only root's PATH leads; a path stands for itself."""
    if command.startswith("/"):
        return command if Path(command).exists() else None
    return shutil.which(command, path=f"{os.environ.get('PATH', os.defpath)}:{ADMIN_PATH}")


def missing(wanted: dict[str, str]) -> list[str]:
    """The packages of those things that are not here."""
    return sorted({package for thing, package in wanted.items() if locate(thing) is None})


def install(packages: Iterable[str], places: Places) -> None:
    """Installs packages without starting any service of theirs; nothing to do for none."""
    names = sorted(set(packages))
    if not names:
        return
    with step(f"installing {', '.join(names)} from Debian"):
        call(
            ["bash", CHECKOUT / "tests/environment/install-packages.sh", *names],
            log=places.log,
            hint=f"To do it by hand: apt-get update && apt-get install --no-install-recommends {' '.join(names)}",
        )


def mirror() -> str:
    """The address of the Debian archive that this machine uses itself."""
    try:
        lines = subprocess.run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(SITE) $(COMPONENT) $(CODENAME)",
                "Created-By: Packages",
            ],
            capture_output=True,
            text=True,
        ).stdout.splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        site, _, rest = line.partition(" ")
        if rest == "main bookworm" and site.startswith(("http://", "https://")):
            return site
    return "http://deb.debian.org/debian"


def proxy() -> dict[str, str]:
    """The proxy that apt is configured with, for tools that read it from the environment only."""
    try:
        shell = subprocess.run(
            ["apt-config", "shell", "http", "Acquire::http::Proxy"], capture_output=True, text=True
        ).stdout.strip()
    except FileNotFoundError:
        return {}
    value = shell.partition("=")[2].strip("'")
    return {"http_proxy": value} if value and value != "DIRECT" and "http_proxy" not in os.environ else {}
