"""Whether somebody else already holds a port that this environment wants to publish."""

from __future__ import annotations

from pipeline.dockerapi import translating
from pipeline.errors import TargetError
from pipeline.model.identity import LABEL_ENVIRONMENT
from pipeline.targets.docker.fleet import Fleet
from pipeline.targets.docker.options import Published

ANY = ("", "0.0.0.0", "::")  # noqa: S104 - what the engine writes for every address


def refuse_taken_ports(fleet: Fleet) -> None:
    """TargetError that names the other container, before anything is started."""
    if not fleet.options.publish:
        return
    with translating("list the published ports of the engine"):
        others = [
            item
            for item in fleet.client.containers()
            if not all((item.get("Labels") or {}).get(key) == value for key, value in fleet.labels.items())
        ]
    for item in others:
        for port in item.get("Ports") or ():
            wanted = next((mine for mine in fleet.options.publish if _clashes(mine, port)), None)
            if wanted:
                name = str(item["Names"][0]).removeprefix("/")
                where = (item.get("Labels") or {}).get(LABEL_ENVIRONMENT)
                raise TargetError(
                    f"environment '{fleet.environment}': port {wanted} is already published by container {name}"
                    + (f" of environment '{where}'" if where else ""),
                    hint="publish another port in target.docker.publish, or stop that container",
                )


def _clashes(mine: Published, port: dict[str, object]) -> bool:
    if port.get("PublicPort") != mine.host or port.get("Type") != mine.protocol:
        return False
    theirs = str(port.get("IP", ""))
    return theirs == mine.address or theirs in ANY or mine.address in ANY
