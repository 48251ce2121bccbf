"""The docker command's current context, for those who chose their engine with `docker context use`."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


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
        if not name or name == "default":
            return ""
        meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        return str(json.loads(meta.read_bytes())["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
