"""Where servers and tokens are kept: asked at every start of the command, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def path_of(environment: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/ecluse/servers.json`, else below `~/.config`."""
    folder = environment.get("XDG_CONFIG_HOME", "")
    base = Path(folder) if folder.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".config"
    return base / "ecluse" / "servers.json"
