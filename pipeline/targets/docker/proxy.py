"""What an environment says about the HAProxy in front of its containers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.model.value import Value
from pipeline.targets.written import mapping

NAME = re.compile(r"[A-Za-z0-9_.:-]+")
"""What HAProxy takes for the name of a backend or a server."""
PORTS = (20000, 20999)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """The HAProxy in front, and how containers take their seats behind it."""

    socket: str
    """`/path`, `unix:///path` or `tcp://host:port` of its runtime API."""
    backend: str
    port: int
    """The container's."""
    servers: str = ""
    """How the names of the declared servers begin that may be used; "" = servers are added."""
    ports: tuple[int, int] = PORTS
    """Ports of the hosts that containers are published on, both ends included."""
    check: bool = True
    """Whether HAProxy checks the health of servers that are added."""


def proxy_of(value: Value) -> Proxy:
    """Parse `proxy: {haproxy: {…}}`; ValueError says what is wrong."""
    options = mapping(mapping(value).get("haproxy"))
    missing = [key for key in ("socket", "backend", "port") if not options.get(key)]
    if missing:
        raise ValueError(f"proxy.haproxy has no {' and no '.join(missing)}")
    socket, backend = str(options["socket"]), str(options["backend"])
    if not re.fullmatch(r"(unix://)?/.+|tcp://[^/]+:\d{1,5}", socket):
        raise ValueError(f"proxy.haproxy.socket: '{socket}' is not an address; wanted: /path or tcp://host:port")
    servers = str(options.get("servers", ""))
    for name in (backend, servers):
        if name and not NAME.fullmatch(name):
            raise ValueError(f"proxy.haproxy: '{name}' is not a name that HAProxy takes")
    return Proxy(
        socket=socket,
        backend=backend,
        port=int(str(options["port"])),
        servers=servers,
        ports=_ports(str(options["ports"])) if "ports" in options else PORTS,
        check=bool(options.get("check", True)),
    )


def _ports(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    if not match or not 0 < int(match[1]) <= int(match[2]) < 65536:
        raise ValueError(f"proxy.haproxy.ports: '{text}' is not a range of ports; wanted: such as 20000-20999")
    return int(match[1]), int(match[2])
