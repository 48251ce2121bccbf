"""Which compose is on this machine: the plugin of docker, or the older `docker-compose`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.errors import UsageError

PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
"""Where docker looks for plugins, after the folders of the user's own."""
OTHERS = (("docker", "compose"), ("docker-compose",))
"""By the PATH, where no plugin is found."""
REMEDY = "install docker-compose-plugin (Docker's packages), docker-compose-v2 (Ubuntu) or docker-compose (Debian)"
ASK_TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """A compose that answers: the words that begin its command, and what it says of its version."""

    words: tuple[str, ...]
    version: str

    @property
    def plugin(self) -> bool:
        """Whether it is of the second generation, also where it stands alone."""
        return _major(self.version) >= 2


def installed(variables: Mapping[str, str]) -> Installed:
    """The compose that these variables (PATH, DOCKER_CONFIG, HOME) lead to. UsageError that says how to get one.

    A plugin is called by its own path, so that it ends with a killed promoter whatever docker's command does.
    """
    config = variables.get("DOCKER_CONFIG") or str(Path(variables.get("HOME") or "~").expanduser() / ".docker")
    return _found(variables.get("PATH", os.defpath), config)


@cache
def _found(path: str, config: str) -> Installed:
    for words in (*_plugins(Path(config)), *OTHERS):
        program = shutil.which(words[0], path=path)
        if program is None:
            continue
        with suppress(OSError, subprocess.TimeoutExpired):
            asked = subprocess.run(
                [program, *words[1:], "version", "--short"],
                check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=ASK_TIMEOUT,
            )  # fmt: skip
            version = asked.stdout.decode(errors="replace").strip()
            if asked.returncode == 0 and _major(version):
                return Installed(words=(program, *words[1:]), version=version)
    raise UsageError("neither `docker compose` nor `docker-compose` answers on this machine", hint=REMEDY)


def _plugins(config: Path) -> Iterator[tuple[str]]:
    """Where docker itself would look, in its order."""
    extra: object = None
    with suppress(OSError, ValueError):
        read = json.loads((config / "config.json").read_text(encoding="utf-8"))
        extra = read.get("cliPluginsExtraDirs") if isinstance(read, dict) else None
    for folder in (*(extra if isinstance(extra, list) else ()), config / "cli-plugins", *PLUGIN_FOLDERS):
        yield (str(Path(str(folder), "docker-compose")),)


def _major(version: str) -> int:
    found = re.match(r"v?(\d+)\.", version)
    return int(found[1]) if found else 0
