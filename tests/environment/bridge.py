"""What an engine that has ended leaves on the host: bridges and firewall rules, removed if they are new."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from .processes import boot
from .progress import privileged

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")


def remember(file: Path) -> None:
    """Writes down how the host is before our engine starts; a note that was made since boot and never used stays."""
    if _note(file):
        return
    rules = _rules("filter")
    note = {
        "boot": boot(),
        "bridges": _bridges(),
        "chains": any(rule.startswith("-N DOCKER") for rule in rules),
        "policy": next((rule.split()[2] for rule in rules if rule.startswith("-P FORWARD")), "ACCEPT"),
        "forwarding": FORWARDING.read_text().strip(),
    }
    file.write_text(json.dumps(note))


def restore(file: Path) -> None:
    """Puts the host back as it was; leaves everything alone that was there before."""
    before = _note(file)
    if not before:
        return
    bridges = set(_bridges()) - set(before["bridges"])
    if not before["chains"]:
        for table in ("filter", "nat"):
            _remove_rules(table, bridges)
        _root("iptables", "-w", "-P", "FORWARD", before["policy"])
    for bridge in bridges:
        _root("ip", "link", "delete", bridge)
    if before["forwarding"] == "0":
        _root("sh", "-c", f"echo 0 >{FORWARDING}")
    file.unlink(missing_ok=True)


def _note(file: Path) -> dict[str, Any] | None:
    try:
        note: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return note if note.get("boot") == boot() else None


def _bridges() -> list[str]:
    return sorted(entry.name for entry in Path("/sys/class/net").iterdir() if BRIDGE.fullmatch(entry.name))


def _remove_rules(table: str, bridges: set[str]) -> None:
    """Removes the engine's chains and every rule that names them or one of the engine's bridges."""
    rules = _rules(table)
    for rule in rules:
        words = rule.split()
        if words[0] == "-A" and any(word.startswith("DOCKER") or word in bridges for word in words[1:]):
            _root("iptables", "-w", "-t", table, "-D", *words[1:])
    chains = [rule.split()[1] for rule in rules if rule.startswith("-N DOCKER")]
    for action in ("-F", "-X"):
        for chain in chains:
            _root("iptables", "-w", "-t", table, action, chain)


def _rules(table: str) -> list[str]:
    return _root("iptables", "-w", "-t", table, "-S").splitlines()


def _root(*command: str) -> str:
    return subprocess.run(["/usr/bin/env", *privileged(), *command], capture_output=True, text=True).stdout
