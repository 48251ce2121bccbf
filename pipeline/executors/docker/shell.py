"""A look into the container of a stage that failed: a copy of it, beside what was kept, with a terminal."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import EngineError, NotFoundError
from pipeline.executors.docker.attach import Attachment
from pipeline.executors.docker.depot import create_container
from pipeline.executors.docker.lifetime import inspect
from pipeline.executors.docker.reaper import removing
from pipeline.model.container import Stream
from pipeline.model.identity import (
    LABEL_ATTEMPT,
    LABEL_INSTALLATION,
    LABEL_ROLE,
    LABEL_RUN,
    LABEL_STAGE,
    LABEL_STEP,
    ROLE_STAGE,
    RunIdentity,
)
from pipeline.ports.console import Console

if TYPE_CHECKING:
    from docker import APIClient

ROLE_SHELL = "shell"
SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash || exec sh")
SECRETS = "/.ecluse-secrets"
"""Read and removed by the shell before anything else; it goes with the copy in any case."""
WITH_SECRETS = f'. {SECRETS}; rm -f {SECRETS}; exec "$@"'
JOINED = "container:"
_GOES = ("AutoRemove", "RestartPolicy", "LogConfig", "ContainerIDFile", "PortBindings", "Links")
"""What a copy does not take over of the container's own settings."""


def enter(
    client: APIClient,
    run: RunIdentity,
    stage: str,
    *,
    command: Sequence[str],
    secrets: bytes,
    console: Console,
) -> int:
    """Run a command (none: a shell) in a copy of the stage's kept container; its exit code.

    The copy has the file system, environment, user, mounts and network of the original, which stays as it is; what is
    written into the workspace stays there. NotFoundError when nothing of the stage was kept; EngineError and kin.
    """
    kept = _kept(client, run, stage)
    with _copied(client, run, stage, kept, command or SHELL, secrets=secrets, console=console) as container:
        return _talk(client, container, console)


def _kept(client: APIClient, run: RunIdentity, stage: str) -> Mapping[str, Any]:
    """The container of the stage's last attempt: that of its commands, else the last of its steps."""
    labels = {
        LABEL_INSTALLATION: run.installation,
        LABEL_RUN: run.run,
        LABEL_ROLE: ROLE_STAGE,
        LABEL_STAGE: stage,
    }
    wanted = [f"{key}={value}" for key, value in labels.items()]
    with translating("look for what was kept of a stage"):
        found = client.containers(all=True, filters={"label": wanted})

    def rank(item: Mapping[str, Any]) -> tuple[int, bool, int]:
        labels = item["Labels"]
        return int(labels.get(LABEL_ATTEMPT, 0)), labels.get(LABEL_STEP) == "main", int(item.get("Created", 0))

    ended = [item for item in found if item.get("State") != "created"]
    if not ended:
        raise NotFoundError(
            f"no container of stage '{stage}' of this run was kept",
            hint=f"run it again and keep it: ecluse retry RUN {stage} --keep-failed",
        )
    container = inspect(client, max(ended, key=rank)["Id"])
    if container is None:
        raise NotFoundError(f"the container of stage '{stage}' has just been removed", hint="try again")
    return container


@contextmanager
def _copied(
    client: APIClient,
    run: RunIdentity,
    stage: str,
    kept: Mapping[str, Any],
    command: Sequence[str],
    *,
    secrets: bytes,
    console: Console,
) -> Iterator[str]:
    """A container, created and not started, that is as the kept one was when it ended; gone again afterwards."""
    labels = dict(run.labels(ROLE_SHELL, stage=stage))
    with translating("keep the file system of a stage as an image"):
        image = client.commit(kept["Id"], conf={"Labels": labels}, pause=False)["Id"]
    container = ""
    try:
        _wake(client, kept)
        config = _config(kept, image, labels, command, interactive=console.interactive, secrets=bool(secrets))
        with translating("create a copy of a stage's container"):
            container = create_container(client, run.name(stage, "shell", image.removeprefix("sha256:")[:12]), config)
            if secrets:
                client.put_archive(container, "/", _file(SECRETS, secrets))
        yield container
    finally:
        if container:
            removing("the shell's container", lambda: client.remove_container(container, force=True, v=True))
        removing("the shell's image", lambda: client.remove_image(image, force=True))


def _wake(client: APIClient, kept: Mapping[str, Any]) -> None:
    """Start the network that the stage had joined, where it has been stopped since."""
    mode = str(kept["HostConfig"].get("NetworkMode", ""))
    if mode.startswith(JOINED):
        with translating("start the network of a kept stage"):
            client.start(mode.removeprefix(JOINED))


def _config(
    kept: Mapping[str, Any],
    image: str,
    labels: Mapping[str, str],
    command: Sequence[str],
    *,
    interactive: bool,
    secrets: bool,
) -> dict[str, Any]:
    own = kept["Config"]
    words = ["sh", "-c", WITH_SECRETS, "sh", *command] if secrets else list(command)
    config: dict[str, Any] = {
        "Image": image,
        "Entrypoint": words[:1],
        "Cmd": words[1:],
        "Env": [*(own.get("Env") or []), *(["TERM=xterm"] if interactive else [])],
        "Labels": dict(labels),
        "WorkingDir": own.get("WorkingDir", ""),
        "User": own.get("User", ""),
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": interactive,
        "HostConfig": {key: value for key, value in kept["HostConfig"].items() if key not in _GOES},
    }
    networks = kept["NetworkSettings"]["Networks"]
    mode = str(kept["HostConfig"].get("NetworkMode", ""))
    if mode in networks and mode not in ("bridge", "none", "host"):
        config["NetworkingConfig"] = {"EndpointsConfig": {mode: {}}}
    return config


def _talk(client: APIClient, container: str, console: Console) -> int:
    """Both ends, until the command has ended; its code."""
    attachment = Attachment(client, container)
    try:

        def resize() -> None:
            rows, columns = console.size()
            with suppress(EngineError), translating("resize the terminal"):
                client.resize(container, height=rows, width=columns)

        with translating("start the shell"):
            client.start(container)
        with console.raw(resize):
            if console.interactive:
                resize()
            threading.Thread(target=attachment.feed, args=(console.read,), name="keyboard", daemon=True).start()
            if console.interactive:
                attachment.pump_raw(lambda chunk: console.write(Stream.OUT, chunk))
            else:
                attachment.pump(console.write)
        with translating("wait for the shell"):
            return int(client.wait(container, timeout=None)["StatusCode"])
    finally:
        attachment.close()


def _file(path: str, content: bytes) -> bytes:
    """An archive of one file that any user of the container may read and remove."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(path.lstrip("/"))
        info.size, info.mode = len(content), 0o666
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
