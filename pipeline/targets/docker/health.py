"""Whether a new container is fit to serve: its own health check, a port that answers, or that it keeps running."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from enum import Enum

from pipeline.dockerapi import output_of, translating
from pipeline.errors import EngineError
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress
from pipeline.targets.docker.fleet import Deployed, Fleet
from pipeline.targets.docker.gap import answers
from pipeline.targets.docker.options import Health

Clock = Callable[[], float]
PAUSE = 0.1
"""Seconds between two looks at a container that is starting."""


class Answer(Enum):
    """What one look at a container said."""

    HEALTHY = "healthy"
    NOT_YET = "not yet"
    NOBODY_CAN_TELL = "nobody can tell"


def await_healthy(
    fleet: Fleet, container: str, *, timeout: float, progress: Progress, cancel: Cancellation, now: Clock
) -> str:
    """Wait until the container is healthy; "" then, else why it is not, in one line.

    The image's own HEALTHCHECK is asked at once and every 0.1 s, not only at the engine's interval (30 s by default).
    Without one, its first published TCP port has to accept a connection, where the runner reaches the container.
    """
    began = now()
    said = False
    health = fleet.options.health
    within = min(timeout, health.within) if health else timeout
    while True:
        cancel.check()
        item = fleet.look(container)
        if item is None:
            return "its container was removed by somebody else"
        if reason := _ended(item):
            return reason
        answer, what = _ask(fleet, item, health)
        spent = now() - began
        settled = answer is Answer.NOBODY_CAN_TELL and spent >= fleet.options.settle
        if answer is Answer.HEALTHY or settled:
            item = fleet.look(container)
            if item and not _ended(item):  # it may have ended while it was asked
                return ""
            continue
        if item.health == "unhealthy":
            return f"its health check says unhealthy ({what})" if what else "its health check says unhealthy"
        if spent > within:
            return f"not healthy within {within:g}s: {what}"
        if not said and spent > 2:
            progress(f"waiting for {item.name} to become healthy: {what}")
            said = True
        cancel.wait(PAUSE)


def is_healthy(fleet: Fleet, item: Deployed) -> bool | None:
    """What its health check says; asked here and now where the engine has not come round to it. None without one."""
    match item.health:
        case "":
            return None
        case "starting":
            return _own_check(fleet, item)[0] is Answer.HEALTHY
        case status:
            return status == "healthy"


def _ended(item: Deployed) -> str:
    if item.running and item.restarts == 0:
        return ""
    if item.restarts:
        return f"it ended and was restarted {item.restarts} times, exit {item.exit_code}"
    return f"it ended with exit {item.exit_code}"


def _ask(fleet: Fleet, item: Deployed, health: Health | None) -> tuple[Answer, str]:
    if item.health == "healthy":
        return Answer.HEALTHY, ""
    if item.health:
        return _own_check(fleet, item)
    address = next((ip for ip in item.networks.values() if ip), "")
    port = (health.port if health else 0) or (0 if health and not health.http else _first_port(fleet))
    inside = port
    if item.seat and fleet.options.proxy and port == fleet.options.proxy.port:
        address, port = item.seat.address, item.seat.port
    if health and health.http:
        return _http(address, port or 80, health.http, inside or 80)
    if not port or not address:
        return Answer.NOBODY_CAN_TELL, "running, without a health check"
    return (_kept if item.seat else _tcp)(address, port, inside)


def _first_port(fleet: Fleet) -> int:
    if fleet.options.proxy:
        return fleet.options.proxy.port
    return next((item.port for item in fleet.options.publish if item.protocol == "tcp"), 0)


def _own_check(fleet: Fleet, item: Deployed) -> tuple[Answer, str]:
    try:
        with translating(f"ask {item.name} for its health"):
            test = list(fleet.client.inspect_container(item.id)["Config"]["Healthcheck"]["Test"])
            words = ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]
            made = fleet.client.exec_create(item.id, words)["Id"]
            output = b"".join(output_of(fleet.client, made))
            code = fleet.client.exec_inspect(made)["ExitCode"]
    except EngineError as error:  # it may have ended between two calls: the next look tells
        return Answer.NOT_YET, error.message
    if code == 0:
        return Answer.HEALTHY, ""
    last = output.decode(errors="replace").strip().rpartition("\n")[2]
    return Answer.NOT_YET, f"its health check exits {code}" + (f": {last[:120]}" if last else "")


def _tcp(address: str, port: int, inside: int) -> tuple[Answer, str]:
    try:
        with socket.create_connection((address, port), timeout=1):
            return Answer.HEALTHY, ""
    except ConnectionRefusedError:
        return Answer.NOT_YET, f"nothing listens on port {inside}"
    except OSError as error:
        return Answer.NOBODY_CAN_TELL, f"port {inside} cannot be reached from here ({error})"


def _kept(address: str, port: int, inside: int) -> tuple[Answer, str]:
    """As `_tcp` for a published port: the engine takes connections there before the container does, and closes them."""
    answer, what = _tcp(address, port, inside)
    if answer is Answer.HEALTHY and not answers((address, port)):
        return Answer.NOT_YET, f"nothing listens on port {inside}"
    return answer, what


def _http(address: str, port: int, path: str, inside: int) -> tuple[Answer, str]:
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", path, headers={"User-Agent": "ecluse"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Answer.NOT_YET, f"http {path} on port {inside}: {error}"
    finally:
        connection.close()
    if 200 <= status < 400:
        return Answer.HEALTHY, ""
    return Answer.NOT_YET, f"http {path} on port {inside}: status {status}"
