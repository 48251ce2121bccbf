"""The docker command's current context, for those who chose their engine with `docker context use`."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError

FILES = ("ca.pem", "cert.pem", "key.pem")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Where one of docker's contexts leads, and the files that prove who we are there ("" where it has none)."""

    address: str
    authority: str = ""
    certificate: str = ""
    key: str = ""


def named_context(name: str) -> Context:
    """Docker's context of that name; UsageError where there is none."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        address = _address(folder, name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"docker has no context '{name}' on this machine",
            hint="`docker context ls` lists those that there are; `docker context create` makes one",
        ) from error
    files = folder / "contexts" / "tls" / _digest(name) / "docker"
    ca, certificate, key = (str(file) if file.exists() else "" for file in map(files.joinpath, FILES))
    return Context(address=address, authority=ca, certificate=certificate, key=key)


def _address(folder: Path, name: str) -> str:
    meta = folder / "contexts" / "meta" / _digest(name) / "meta.json"
    return str(json.loads(meta.read_bytes())["Endpoints"]["docker"]["Host"])


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
