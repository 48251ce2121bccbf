"""The networks of an environment, and how published ports follow a container's place on them.

On a bridge network a container holds its published ports exactly while it is connected; on an `internal` network that
it starts on it holds none. So the ports change hands by disconnecting one container and connecting the other, while
both processes keep running. Two rules were found on Engine 20.10: a container that holds ports and sits on a second
network keeps them there when it is disconnected from the first, so each serves on nothing else; and a connect that
failed for a taken port leaves half an interface behind, which only a restart of the container removes.
"""

from __future__ import annotations

from pipeline.dockerapi import translating
from pipeline.errors import EcluseError, EngineError
from pipeline.targets.docker.fleet import Deployed, Fleet

WARM = "-warm"
OUT = "-out"


class Networks:
    """Connects and disconnects the containers of one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._client = fleet.client
        self.live = fleet.name
        """Who is on it serves."""

    def serving(self, item: Deployed) -> bool:
        """Whether this container has the environment's traffic."""
        return item.running and not item.rehearsal and self.live in item.networks

    def ensure(self, suffix: str = "") -> str:
        """Make a network of the environment unless it is there; its name."""
        name = self._fleet.name + suffix
        with translating(f"create network {name}"):
            if not any(item["Name"] == name for item in self._client.networks(names=[name])):
                self._client.create_network(
                    name,
                    driver="bridge",
                    internal=suffix == WARM,
                    check_duplicate=True,
                    labels=dict(self._fleet.labels),
                )
        return name

    def give(self, item: Deployed) -> None:
        """Give the ports to a running container; EngineError when they are taken."""
        with translating(f"connect {item.name} to network {self.live}"):
            if self.live not in item.networks:
                self._client.connect_container_to_network(item.id, self.live, aliases=[self._fleet.environment])
        extra = self._fleet.options.network
        if extra and extra not in item.networks:
            with translating(f"connect {item.name} to network {extra}"):
                self._client.connect_container_to_network(item.id, extra)

    def take(self, item: Deployed) -> None:
        """Take the ports, and every network, from a container; its process runs on."""
        found = self._fleet.look(item.id)
        for network in found.networks if found else ():
            with translating(f"disconnect {item.name} from network {network}"):
                self._client.disconnect_container_from_network(item.id, network, force=True)

    def give_back(self, item: Deployed) -> None:
        """Make an old container serve again, whatever state it is in: started, connected, restarted if need be."""
        found = self._fleet.look(item.id) or item
        try:
            with translating(f"start {item.name}"):
                if not found.running:
                    self._client.start(item.id)
                    found = self._fleet.look(item.id) or found
            self.give(found)
        except EngineError:
            with translating(f"restart {item.name}"):
                self._client.restart(item.id, timeout=round(self._fleet.options.drain))
            self.give(self._fleet.look(item.id) or found)

    def leave_warm(self, item: Deployed) -> None:
        """Take a container that serves from the network on which it warmed up."""
        for suffix in (WARM, OUT):
            name = self._fleet.name + suffix
            if name in item.networks:
                with translating(f"disconnect {item.name} from network {name}"):
                    self._client.disconnect_container_from_network(item.id, name)

    def drop(self, *suffixes: str) -> None:
        """Remove networks of the environment that nothing uses."""
        import docker.errors

        for suffix in suffixes:
            name = self._fleet.name + suffix
            try:
                with translating(f"remove network {name}"):
                    try:
                        self._client.remove_network(name)
                    except docker.errors.NotFound:
                        continue
            except EcluseError:
                continue  # still in use by an old container: the next promotion removes it
