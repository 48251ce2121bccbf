"""Where a stage's container goes: one found again, one prepared, one in a free sandbox, or one on its own network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import status_of, translating
from pipeline.errors import EcluseError, EngineError, HostRestartedError, ImageNotFoundError
from pipeline.executors.docker.attendance import Attendance
from pipeline.executors.docker.container_config import LABEL_BOOT, Surroundings, stage_config
from pipeline.executors.docker.container_files import DockerFiles
from pipeline.executors.docker.depot import create_container
from pipeline.executors.docker.exchanges import Exchanges
from pipeline.executors.docker.layers import Layers
from pipeline.executors.docker.lifetime import START, STOPPED, inspect, run_created, run_found
from pipeline.executors.docker.pulling import Pulls
from pipeline.executors.docker.remains import Remains
from pipeline.executors.docker.rights import check_rights
from pipeline.executors.docker.sandbox import Lane, Sandboxes
from pipeline.model.container import ContainerSpec, Exit, Network
from pipeline.model.identity import LABEL_SPEC
from pipeline.ports.executor import Visitor

if TYPE_CHECKING:
    from docker import APIClient

OWN_NETWORK = "bridge"
NETWORKS = {Network.NONE: "none", Network.HOST: "host"}
BEGUN = ("running", "exited", "paused")
NAME_TAKEN = 409


@dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    """A container that waits to be started, and the lane whose network it joins (None = it has its own)."""

    container: str
    digest: str
    lane: Lane | None = None


class Placement:
    """Creates, finds and runs the containers of a run's stages. May be called from several threads."""

    def __init__(
        self,
        client: APIClient,
        around: Surroundings,
        *,
        layers: Layers,
        sandboxes: Sandboxes,
        remains: Remains,
        exchanges: Exchanges,
        pulls: Pulls,
        settled: Callable[[], None],
    ) -> None:
        """`settled` returns when everything that containers mount is in its place."""
        self.around = around
        self.pulls = pulls
        self._client = client
        self._layers = layers
        self._sandboxes = sandboxes
        self._remains = remains
        self._exchanges = exchanges
        self._settled = settled
        self._lock = threading.Lock()
        self._prepared: dict[str, Future[Created]] = {}

    def prepare(self, spec: ContainerSpec) -> None:
        """Create a container for a lane that is or will be free. Raises EngineError and kin."""
        check_rights(spec, self.around.settings)
        if spec.view and not self._layers.early(spec.view):
            return
        name = self._name(spec)
        mine: Future[Created] = Future()
        with self._lock:
            if name in self._prepared:
                return
            self._prepared[name] = mine
        lane = self._sandboxes.reserve(now=False)
        try:
            mine.set_result(self._create(spec, name, lane.network if lane else OWN_NETWORK, lane))
        except BaseException as error:
            if lane is not None:
                self._sandboxes.unreserve(lane)
            mine.set_exception(error)
            raise

    def soonest(self, stages: Sequence[str]) -> int:
        """One whose prepared container joins a free lane; else, where a lane is free, one that is not bound to another;
        else one that is prepared."""
        with self._lock:
            waiting = [self._prepared.get(self.around.run.name(stage, "1", "main")) for stage in stages]
        made = {
            index: future.result().lane
            for index, future in enumerate(waiting)
            if future is not None and future.done() and future.exception() is None
        }
        ready = (index for index, lane in made.items() if lane is None or not lane.busy)
        unbound = (index for index, future in enumerate(waiting) if future is None)
        return next(ready, next(unbound if self._sandboxes.any_free else iter(made), 0))

    def begun(self, spec: ContainerSpec) -> bool:
        """Whether this very container began before this process."""
        found = inspect(self._client, self._name(spec))
        return found is not None and self._ours(found, spec) and found["State"]["Status"] in BEGUN

    def execute(self, spec: ContainerSpec, attendance: Attendance, *, network: str = "") -> Exit:
        """Run to the end. `network` is the one that the stage's services stand on."""
        if attendance.cancel.cancelled:
            return Exit(code=STOPPED, cancelled=True)
        created = self._prepared_for(spec)
        if created is None:
            found = self._find_or_create(spec, network, attendance)
            if isinstance(found, Exit):
                return found
            created = found
        if created.lane is not None and not self._sandboxes.take(created.lane):
            created = self._elsewhere(spec, created)
        return self._run(spec, created, attendance)

    def _run(self, spec: ContainerSpec, created: Created, attendance: Attendance) -> Exit:
        """Run it; its lane, if it has one, is occupied."""
        try:
            if attendance.cancel.cancelled:  # while it waited
                return Exit(code=STOPPED, cancelled=True)
            self._settled()
            self._enter(spec, created, attendance.visitor)
            ended = run_created(self._client, created.container, attendance, grace=spec.grace)
        except EngineError as error:
            if created.lane is None or not error.message.startswith(f"cannot {START}"):
                raise
            before = created.container
            created = self._with_network(spec, created, created.lane)
            if created.container != before:
                self._enter(spec, created, attendance.visitor)
            ended = run_created(self._client, created.container, attendance, grace=spec.grace)
        finally:
            if created.lane is not None:
                self._sandboxes.give_back(created.lane)
            self._remains.container(spec, created.container)
        self._leave(spec, created.container, ended, attendance.visitor)
        return ended

    def _enter(self, spec: ContainerSpec, created: Created, visitor: Visitor | None) -> None:
        if spec.view:
            self._layers.enter(spec.view, created.container)
        if visitor is not None:
            visitor.created(DockerFiles(self._client, created.container))

    def _leave(self, spec: ContainerSpec, container: str, ended: Exit, visitor: Visitor | None) -> None:
        if spec.view:
            self._layers.leave(spec.view, container)
        if visitor is not None:
            visitor.ended(DockerFiles(self._client, container), ended)

    def _with_network(self, spec: ContainerSpec, created: Created, lane: Lane) -> Created:
        """The same stage after its sandbox has died: started again, or, where that is gone, on a network of its own."""
        try:
            self._sandboxes.restart(lane)
        except EngineError:
            self._sandboxes.drop(lane)
            with translating("remove a container whose network is gone"):
                self._client.remove_container(created.container, force=True, v=True)
            return self._create(spec, self._name(spec), OWN_NETWORK, None)
        return created

    def _elsewhere(self, spec: ContainerSpec, created: Created) -> Created:
        """The same stage in another lane, which is then occupied, or on a network of its own."""
        lane = self._sandboxes.take_any()
        try:
            self._discard(created)
            return self._create(spec, self._name(spec), lane.network if lane else OWN_NETWORK, lane)
        except BaseException:
            if lane is not None:
                self._sandboxes.give_back(lane)
            raise

    def _discard(self, created: Created) -> None:
        with translating("remove a container made ahead"):
            self._client.remove_container(created.container, force=True, v=True)

    def _prepared_for(self, spec: ContainerSpec) -> Created | None:
        """The container made ahead, which has its lane reserved; None when there is none for this specification."""
        with self._lock:
            waiting = self._prepared.pop(self._name(spec), None)
        if waiting is None:
            return None
        try:
            created = waiting.result()
        except EcluseError:
            return None
        if created.digest == spec.digest:
            return created
        if created.lane is not None:
            self._sandboxes.unreserve(created.lane)
        self._discard(created)
        return None

    def _find_or_create(self, spec: ContainerSpec, network: str, attendance: Attendance) -> Created | Exit:
        shared = spec.network is Network.SHARED and not network
        lane = self._sandboxes.reserve(now=True) if shared else None
        network = network or (lane.network if lane else NETWORKS.get(spec.network, OWN_NETWORK))
        created: Created | Exit | None = None
        try:
            created = self._create_or_find(spec, network, lane, attendance)
        finally:
            if lane is not None and not isinstance(created, Created):
                self._sandboxes.unreserve(lane)
        return created

    def _create_or_find(
        self, spec: ContainerSpec, network: str, lane: Lane | None, attendance: Attendance
    ) -> Created | Exit:
        name = self._name(spec)
        for _ in range(3):
            try:
                return self._create(spec, name, network, lane)
            except ImageNotFoundError:
                attendance.output.note(f"pulling image {spec.image}")
                self.pulls.pull(spec.image, attendance.cancel)
            except EngineError as error:
                if status_of(error.__cause__) != NAME_TAKEN:
                    raise
                ended = self._take_over(name, spec, attendance)
                if ended is not None:
                    return ended
        raise EngineError(f"cannot create container {name}: its name stays taken", hint=f"`docker rm -f {name}`")

    def _take_over(self, name: str, spec: ContainerSpec, attendance: Attendance) -> Exit | None:
        """The exit of our own container from before this process; None when it was of no use and is gone."""
        found = inspect(self._client, name)
        if found is None:
            return None
        began, output = found["State"]["Status"] in BEGUN, attendance.output
        if began and self._ours(found, spec):
            running = found["State"]["Status"] != "exited"
            ended = run_found(self._client, name, attendance, grace=spec.grace, running=running)
            if ended is not None:
                output.note("found running, attached" if running else "found ended, result taken")
                self._remains.container(spec, found["Id"])
                self._leave(spec, name, ended, attendance.visitor)
                return ended
            began = False
        with translating(f"remove container {name}"):
            self._client.remove_container(name, force=True, v=True)
        if began and _label(found, LABEL_SPEC) == spec.digest:
            raise HostRestartedError(
                f"host restarted while stage '{spec.stage}' ran; its exit code is not believed",
                hint="`ecluse retry` runs it again",
            )
        return None

    def _ours(self, found: Mapping[str, Any], spec: ContainerSpec) -> bool:
        """Whether a container is this one, made in this boot of the host."""
        return _label(found, LABEL_SPEC) == spec.digest and _label(found, LABEL_BOOT) == self.around.boot

    def _create(self, spec: ContainerSpec, name: str, network: str, lane: Lane | None) -> Created:
        if self.around.certificates:
            # the engine looks for what is bound when it creates, for volumes only when it starts
            self._settled()
        mounts: list[Mapping[str, Any]] = [self._layers.mount(spec.view)] if spec.view else []
        if spec.exchange:
            mounts.append(self._exchanges.mount(name))
        config = stage_config(spec, self.around, network=network, mounts=mounts)
        with translating(f"create a container of {spec.image}"):
            container = create_container(self._client, name, config)
        return Created(container=container, digest=spec.digest, lane=lane)

    def _name(self, spec: ContainerSpec) -> str:
        return self.around.run.name(spec.stage, str(spec.attempt), spec.step)


def _label(found: Mapping[str, Any], label: str) -> str:
    return str((found["Config"]["Labels"] or {}).get(label, ""))
