"""What an environment says about its compose target, parsed once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.dockerapi import Certificates
from pipeline.errors import UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.quantity import seconds
from pipeline.settings import Settings
from pipeline.targets.docker.hosts import hosts_of
from pipeline.targets.written import labels, texts

_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SERVICE = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposeOptions:
    """Everything under `target: {compose: …}`. Times in seconds."""

    files: tuple[Path, ...]
    """Absolute paths of this machine; the first one's folder is that of the project."""
    project: str
    service: str
    host: str = ""
    certificates: Certificates | None = None
    settle: float = 1.0
    """Without any health check: how long it has to run."""
    drain: float = 10.0
    labels: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """Of what the files say now. UsageError where one cannot be read."""
        read = hashlib.sha256()
        for path in self.files:
            try:
                read.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError as error:
                raise UsageError(
                    f"compose file {path} cannot be read: {error.strerror}",
                    hint="it has to be on the machine that promotes; correct `file` in target.compose",
                ) from error
        return read.hexdigest()


def compose_options(environment: EnvironmentDefinition, settings: Settings) -> ComposeOptions:
    """Parse; UsageError names the environment and the key."""
    options, where = environment.target, f"environment '{environment.name}': target.compose"
    written = {key: str(options.get(key, "")) for key in ("project", "service")}
    for key, pattern in (("project", _PROJECT), ("service", _SERVICE)):
        if not pattern.fullmatch(written[key]):
            what = f"{where}.{key}: {written[key]!r} is no name" if written[key] else f"{where}: `{key}` is missing"
            raise UsageError(what, hint=f"write `{key}: NAME`, as compose knows it")
    try:
        (host,) = hosts_of({key: options[key] for key in ("host", "tls") if key in options})
        named = texts(options.get("file"))
        if not named:
            raise UsageError(f"{where}: `file` is missing", hint="write the path of the compose file")
        return ComposeOptions(
            files=tuple(_path(text, environment, settings, f"{where}.file") for text in named),
            project=written["project"],
            service=written["service"],
            host=host.engine,
            certificates=host.certificates,
            settle=seconds(str(options.get("settle", "1s"))),
            drain=seconds(str(options.get("drain", "10s"))),
            labels=labels(environment),
        )
    except ValueError as error:
        raise UsageError(f"{where}: {error}", hint="correct that value in the file") from error


def _path(text: str, environment: EnvironmentDefinition, settings: Settings, where: str) -> Path:
    """A compose file can mount all of its host, so it is never taken from a working tree."""
    path = Path(text).expanduser()
    if path.is_absolute():
        return path
    policy = Path(settings.policy).expanduser().absolute()
    of_policy = bool(settings.policy) and not settings.policy.startswith("git+")
    if of_policy and environment.origin.startswith(f"{policy.name} ("):
        return policy.parent / path
    raise UsageError(
        f"{where}: '{text}' is a relative path, which only an environment of a policy file of this machine may have",
        hint="write the absolute path of the compose file on the machine that promotes, or put the environment into "
        "the policy and the compose file beside it",
    )
