"""Finding by their labels, and removing, the objects of runs: containers first, then what they held."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import EcluseError
from pipeline.executors.docker.reaper import BUSY, complain, removing
from pipeline.executors.docker.remains import LABEL_KEPT
from pipeline.model.identity import LABEL_INSTALLATION, LABEL_ROLE, LABEL_RUN, ROLE_KEPT, ROLE_TARGET
from pipeline.ports.executor import Leftover

if TYPE_CHECKING:
    from docker import APIClient

AT_ONCE = 8


def find(
    client: APIClient, installation: str, run: str = "", *, spare: frozenset[str] = frozenset()
) -> tuple[Leftover, ...]:
    """Everything of all runs of this installation, or of one run less its images (others may need them by now).

    Never what belongs to a target, nor what has one of the roles in `spare`.
    """
    wanted = {"label": [f"{LABEL_INSTALLATION}={installation}", f"{LABEL_RUN}={run}" if run else LABEL_RUN]}
    lists: dict[str, Callable[[], Any]] = {
        "container": lambda: client.containers(all=True, filters=wanted),
        "network": lambda: client.networks(filters=wanted),
        "volume": lambda: client.volumes(filters=wanted)["Volumes"] or [],
    }
    if not run:
        lists["image"] = lambda: client.images(filters=wanted)
    with translating("list what runs have left"), ThreadPoolExecutor(len(lists), thread_name_prefix="sweep") as pool:
        found = [
            (kind, item) for kind, items in zip(lists, pool.map(_call, lists.values()), strict=True) for item in items
        ]
    kept = _kept(item for kind, item in found if kind == "volume")
    return tuple(
        Leftover(
            kind=kind, name=(name := _name(kind, item)), run=item["Labels"][LABEL_RUN], kept=kept.get(f"{kind}/{name}")
        )
        for kind, item in found
        if item["Labels"].get(LABEL_ROLE) not in {ROLE_TARGET, *spare}
    )


def going(leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Those that nobody wants to look into."""
    return [item for item in leftovers if item.kept is None]


def _kept(volumes: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """What markers say is to stay, as `kind/name`, and since when; the markers themselves stay as long."""
    kept: dict[str, datetime] = {}
    for volume in volumes:
        if volume["Labels"].get(LABEL_ROLE) == ROLE_KEPT:
            since = datetime.fromisoformat(volume["CreatedAt"])
            kept[f"volume/{volume['Name']}"] = since
            kept |= dict.fromkeys(json.loads(volume["Labels"].get(LABEL_KEPT, "[]")), since)
    return kept


def _call(listing: Callable[[], Any]) -> Any:
    return listing()


def _name(kind: str, item: Mapping[str, Any]) -> str:
    """The name by which an object is removed; what has none goes by its id."""
    match kind:
        case "container":
            return str((item.get("Names") or [item["Id"]])[0]).lstrip("/")
        case "image":
            return str((item.get("RepoTags") or [item["Id"]])[0])
        case _:
            return str(item["Name"])


def remove(client: APIClient, leftovers: Iterable[Leftover]) -> None:
    """Remove them, many at once; running containers are killed. Raises EngineError naming what stayed.

    An image that a container of somebody else stands on, such as a release that serves, stays and is no error.
    """
    removers: dict[str, Callable[[str], object]] = {
        "container": lambda name: client.remove_container(name, force=True, v=True),
        "network": client.remove_network,
        "volume": lambda name: client.remove_volume(name, force=True),
        "image": lambda name: _remove_image(client, name),
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


def _remove_image(client: APIClient, name: str) -> None:
    import docker.errors

    try:
        client.remove_image(name)
    except docker.errors.APIError as error:
        if error.status_code != BUSY:
            raise
