"""Rights beyond the ordinary: only what the settings of this machine allow, and never without saying so."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from pipeline.errors import RefusedError
from pipeline.model.container import ContainerSpec, Network
from pipeline.settings import Settings

DROPPED = ("NET_RAW", "MKNOD")
"""What the engine's default capabilities lose."""


def check_rights(spec: ContainerSpec, settings: Settings) -> None:
    """Raise RefusedError, naming the setting, for a right that this machine does not give."""
    privileged = [("stage", spec.stage, spec.image)] if spec.privileged else []
    privileged += [("service", item.name, item.image) for item in spec.services if item.privileged]
    for what, name, image in privileged:
        if not _listed(image.partition("@")[0], settings.privileged_images):
            raise RefusedError(
                f"{what} '{name}' wants to be privileged, which this machine does not allow for {image}",
                hint="a privileged container rules its host; where that is meant, add the image to the setting "
                "`privileged_images`",
            )
    for device in spec.devices:
        if not _listed(device.partition(":")[0], settings.devices):
            raise RefusedError(
                f"stage '{spec.stage}' wants the device {device}, which this machine does not give",
                hint="where that is meant, add it to the setting `devices`",
            )
    if spec.network is Network.HOST and not settings.host_network:
        raise RefusedError(
            f"stage '{spec.stage}' wants the network of the host, which this machine does not give",
            hint="where that is meant, set `host_network = true`",
        )


def rights(*, privileged: bool, hardened: bool) -> dict[str, Any]:
    """What the engine is told of a container's rights."""
    if privileged:
        return {"Privileged": True}
    return {"CapDrop": ["ALL"] if hardened else list(DROPPED), "SecurityOpt": ["no-new-privileges"]}


def devices(wanted: Sequence[str]) -> list[dict[str, str]]:
    """Devices as the engine takes them, from `host[:container[:permissions]]`."""
    found: list[dict[str, str]] = []
    for text in wanted:
        host, _, more = text.partition(":")
        inside, _, permissions = more.partition(":")
        found.append({"PathOnHost": host, "PathInContainer": inside or host, "CgroupPermissions": permissions or "rwm"})
    return found


def _listed(name: str, allowed: Sequence[str]) -> bool:
    return ".." not in name and any(fnmatchcase(name, pattern) for pattern in allowed)
