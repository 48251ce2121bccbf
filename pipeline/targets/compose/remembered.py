"""How a container was made, read from the engine before compose removes it, so that it can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.targets.compose.project import Member

if TYPE_CHECKING:
    from docker import APIClient


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """One container. `networks` are those beyond the first, which an engine takes one by one."""

    name: str
    promotion: str
    image: str
    """The engine's own id of it."""
    body: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, Any]]

    def make(self, client: APIClient) -> None:
        """Make and start it. TargetError."""
        engine: Any = client
        with translating(f"make container {self.name} again"):
            made = engine.create_container_from_config(self._body(client), self.name)["Id"]
            for network, end in self.networks.items():
                address = (end.get("IPAMConfig") or {}).get("IPv4Address")
                engine.connect_container_to_network(made, network, aliases=end.get("Aliases"), ipv4_address=address)
            engine.start(made)

    def _body(self, client: APIClient) -> dict[str, Any]:
        """By the image's name, where it has that name still."""
        import docker.errors

        store: Any = client
        try:
            store.inspect_image(self.body["Image"])
        except docker.errors.NotFound:
            return {**self.body, "Image": self.image}
        return dict(self.body)


def remember(client: APIClient, member: Member) -> Remembered:
    """As the engine describes it now, with the volumes that it has. TargetError."""
    with translating(f"inspect container {member.deployed.name}"):
        seen = client.inspect_container(member.deployed.id)
    config, host = dict(seen["Config"]), dict(seen["HostConfig"])
    if config.get("Hostname") == seen["Id"][:12]:
        del config["Hostname"]
    config.pop("MacAddress", None)
    host["Binds"] = [*(host.get("Binds") or ()), *_unnamed(seen, host)] or None
    first, *others = _networks(seen) or ({},)
    body = {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": first}}
    return Remembered(
        name=member.deployed.name,
        promotion=member.promotion,
        image=seen["Image"],
        body=body,
        networks={name: end for item in others for name, end in item.items()},
    )


def _unnamed(seen: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    """Volumes that were made with the container: named nowhere, and its data is in them."""
    written = {str(item).split(":")[1] for item in host.get("Binds") or () if ":" in str(item)}
    written |= {str(item.get("Target")) for item in host.get("Mounts") or ()}
    return [
        f"{item['Name']}:{item['Destination']}{'' if item.get('RW', True) else ':ro'}"
        for item in seen.get("Mounts") or ()
        if item.get("Type") == "volume" and item["Destination"] not in written
    ]


def _networks(seen: Mapping[str, Any]) -> list[dict[str, Mapping[str, Any]]]:
    """Each with what was asked for there, the network of its ports first."""
    mode = seen["HostConfig"].get("NetworkMode", "")
    found = {
        name: {
            "Aliases": [item for item in end.get("Aliases") or () if item != seen["Id"][:12]] or None,
            "IPAMConfig": end.get("IPAMConfig"),
            "Links": end.get("Links"),
        }
        for name, end in (seen["NetworkSettings"].get("Networks") or {}).items()
        if mode not in ("host", "none") and not mode.startswith("container:")
    }
    return [{name: end} for name, end in sorted(found.items(), key=lambda item: item[0] != mode)]
