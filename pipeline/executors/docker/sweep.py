"""Finding by their labels, and removing, the objects of runs: containers first, then what they held."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.errors import EcluseError
from pipeline.executors.docker.reaper import complain, removing
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_ROLE, LABEL_RUN, ROLE_TARGET
from pipeline.ports.executor import Leftover

if TYPE_CHECKING:
    from docker import APIClient

AT_ONCE = 8
KINDS = ("container", "network", "volume", "image")
"""In the order of removal."""


def find(client: APIClient, installation: str, run: str = "") -> tuple[Leftover, ...]:
    """Everything of one run, or of all runs, of this installation; never what belongs to a target."""
    wanted = {"label": [f"{LABEL_INSTALLATION}={installation}", f"{LABEL_RUN}={run}" if run else LABEL_RUN]}
    with translating("list what runs have left"):
        containers = client.containers(all=True, filters=wanted)
        networks = client.networks(filters=wanted)
        volumes = client.volumes(filters=wanted)["Volumes"] or []
        images = client.images(filters=wanted)
    found = [
        *(("container", (item.get("Names") or ["/" + item["Id"]])[0].lstrip("/"), item) for item in containers),
        *(("network", item["Name"], item) for item in networks),
        *(("volume", item["Name"], item) for item in volumes),
        *(("image", (item.get("RepoTags") or [item["Id"]])[0], item) for item in images),
    ]
    return tuple(
        Leftover(kind=kind, name=name, run=item["Labels"][LABEL_RUN])
        for kind, name, item in found
        if item["Labels"].get(LABEL_ROLE) != ROLE_TARGET
    )


def remove(client: APIClient, leftovers: Iterable[Leftover]) -> None:
    """Remove them, many at once; running containers are killed. Raises EngineError naming what stayed."""
    removers: dict[str, Callable[[str], object]] = {
        "container": lambda name: client.remove_container(name, force=True, v=True),
        "network": client.remove_network,
        "volume": lambda name: client.remove_volume(name, force=True),
        "image": lambda name: client.remove_image(name, force=True),
    }
    items = tuple(leftovers)
    errors: list[EcluseError] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sweep") as pool:
        for kinds in (("container",), ("network", "volume", "image")):
            jobs = [
                pool.submit(removing, f"{item.kind} {item.name}", lambda item=item: removers[item.kind](item.name))  # type: ignore[misc]
                for item in items
                if item.kind in kinds
            ]
            errors += [error for job in jobs if isinstance(error := job.exception(), EcluseError)]
    complain(tuple(errors))
