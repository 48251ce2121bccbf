"""One look at an environment on its swarm: its services, their tasks, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.model.identity import LABEL_SPEC
from pipeline.ports.target import Instance, Observed
from pipeline.targets.swarm.cluster import Cluster, Service
from pipeline.targets.swarm.options import Routing, SwarmOptions
from pipeline.targets.swarm.ownership import Ownership, part_of, promotion_of
from pipeline.targets.swarm.spec import Part, service_name
from pipeline.targets.swarm.tasks import Node, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What was there at one moment."""

    services: tuple[Service, ...]
    tasks: tuple[Task, ...]
    nodes: Mapping[str, Node]
    main: Service | None
    canary: Service | None
    rehearsal: Service | None

    def running(self, service: Service | None) -> tuple[Task, ...]:
        """Those of its instances that serve."""
        return () if service is None else tuple(task for task in self.tasks if task.service == service.id and task.runs)

    def is_whole(self, service: Service) -> bool:
        """Whether all of its instances run, and all of them are of the promotion that it is said to be of."""
        running = self.running(service)
        return len(running) == service.replicas and all(task.promotion == promotion_of(service) for task in running)

    def already_is(self, spec: str) -> bool:
        """Whether the environment is whole with exactly that specification, and nothing is under way."""
        main = self.main
        whole = main is not None and self.canary is None and self.is_whole(main)
        return whole and main is not None and main.labels.get(LABEL_SPEC) == spec

    def ended(self) -> frozenset[str]:
        """Tasks that came to an end before: their failures are history."""
        return frozenset(task.id for task in self.tasks if task.ended)

    def name(self, task: Task) -> str:
        """`shop.2.` and the start of its id, as docker's own client calls it."""
        service = next((item.name for item in self.services if item.id == task.service), task.service)
        return f"{service}.{task.slot}.{task.id[:12]}"

    def observed(self, options: SwarmOptions) -> Observed:
        """Everything that runs or is about to, except rehearsals."""
        silent = self.rehearsal.id if self.rehearsal else ""
        shown = [task for task in self.tasks if task.service != silent and (task.runs or _is_coming(task))]
        serving = [task for task in shown if task.runs]
        return Observed(
            instances=tuple(
                Instance(
                    name=self.name(task),
                    image=task.image,
                    release=task.release,
                    promotion=task.promotion,
                    serving=task.runs,
                    healthy=task.has_health if task.runs else False,
                    started=task.since,
                    addresses=_addresses(task, options) if task.runs else (),
                    share=_share(task, serving),
                    place=task.node.name if task.node else "",
                )
                for task in shown
            )
        )


def look(cluster: Cluster, ownership: Ownership, options: SwarmOptions) -> Scene:
    """Ask the swarm what is there of the environment."""
    services, nodes = cluster.services(ownership.marks), cluster.nodes()

    def named(part: Part) -> Service | None:
        name = service_name(options, part)
        return next((item for item in services if item.name == name and part_of(item) is part), None)

    return Scene(
        services=services,
        tasks=cluster.tasks(*services, known=nodes),
        nodes=nodes,
        main=named(Part.MAIN),
        canary=named(Part.CANARY),
        rehearsal=named(Part.REHEARSAL),
    )


def _is_coming(task: Task) -> bool:
    return task.is_meant and not task.ended and task.state != "shutdown"


def _share(task: Task, serving: list[Task]) -> int | None:
    """By the number of instances: that is how the swarm spreads connections."""
    if not serving:
        return None
    return round(100 * sum(item.promotion == task.promotion for item in serving) / len(serving))


def _addresses(task: Task, options: SwarmOptions) -> tuple[str, ...]:
    if task.node is None:
        return ()
    mesh = tuple(item.node for item in options.publish if item.protocol == "tcp")
    ports = task.ports if options.routing is Routing.HOST else mesh
    return tuple(f"{task.node.address}:{port}" for port in ports)
