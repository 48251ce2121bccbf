"""The docker command's current context, for those who chose their engine with `docker context use`."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from pipeline.errors import UsageError


def context_address() -> str:
    """The engine's address in the current context; "" for the default context or when none is readable.

    Files as the docker command lays them out: `config.json` names the context, and
    `contexts/meta/<sha256 of the name>/meta.json` holds its endpoint.
    """
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        name = os.environ.get("DOCKER_CONTEXT") or json.loads((folder / "config.json").read_bytes()).get(
            "currentContext", ""
        )
        return "" if not name or name == "default" else _address(folder, name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def named_context(name: str) -> str:
    """The engine's address in docker's context of that name; UsageError where there is none."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        return _address(folder, name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"docker has no context '{name}' on this machine",
            hint="`docker context ls` lists those that there are; `docker context create` makes one",
        ) from error


def _address(folder: Path, name: str) -> str:
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    return str(json.loads(meta.read_bytes())["Endpoints"]["docker"]["Host"])
