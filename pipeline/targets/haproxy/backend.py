"""One backend of HAProxy and its servers, as HAProxy itself describes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import TargetError
from pipeline.targets.haproxy.runtime import Runtime

FORCED, MAINTENANCE, DRAINING = 0x01, 0x01 | 0x02 | 0x20 | 0x40, 0x08 | 0x10
"""Bits of `srv_admin_state` (management guide, "show servers state"); 0x04 only tells how it is configured."""
CHECKED, PASSED, FAILED = 0x02 | 0x04, 3, 2
"""Bits of `srv_check_state` (configured and enabled), and two values of `srv_check_result`."""
CHECK = "check inter 1s fall 2 rise 1"
"""How a server that is added is checked: `default-server` lines do not count for it."""
SHARING = ("roundrobin", "random", "static-rr")
"""Algorithms that give each server requests by its weight; `static-rr` takes no change of weight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """Where HAProxy reaches a container."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server of the backend."""

    name: str
    seat: Seat
    maintained: bool
    draining: bool
    up: bool
    weight: int
    checked: bool
    """Whether HAProxy looks after its health itself."""
    answered: bool | None
    """What its last check said; None before the first."""

    @property
    def serving(self) -> bool:
        """Whether new requests go there."""
        return self.up and self.weight > 0 and not self.maintained and not self.draining


class Backend:
    """Reads and changes one backend."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self.name = name

    def refuse_without_rights(self) -> None:
        """TargetError where this socket may look but not change."""
        if "admin" not in self._runtime.ask("show cli level"):
            raise TargetError(
                f"HAProxy at {self._runtime.where} allows no changes on this socket",
                hint="give the `stats socket` line of its configuration `level admin`",
            )

    def servers(self) -> tuple[Server, ...]:
        """All of them. TargetError where HAProxy has no such backend."""
        answer = self._runtime.ask(f"show servers state {self.name}")
        lines = [line for line in answer.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[1].startswith("#"):
            raise TargetError(
                f"HAProxy at {self._runtime.where} has no backend '{self.name}'"
                + (f": {lines[0].strip()}" if lines and len(lines[0]) > 2 else ""),
                hint="check `proxy.haproxy.backend` of the environment",
            )
        names = lines[1].removeprefix("#").split()
        return tuple(_server(dict(zip(names, line.split(), strict=False))) for line in lines[2:])

    def sessions(self) -> Mapping[str, int]:
        """Requests under way and waiting, by server."""
        return {
            row["svname"]: int(row["scur"] or 0) + int(row["qcur"] or 0)
            for row in self._figures()
            if row["svname"] not in ("FRONTEND", "BACKEND")
        }

    def algorithm(self) -> str:
        """How it balances; "" where this HAProxy or the socket's level does not say."""
        return next((row.get("algo") or "" for row in self._figures() if row["svname"] == "BACKEND"), "")

    def seat(self, server: str, seat: Seat) -> None:
        """Point a declared server to this seat; it gets no traffic yet, but its health checks begin."""
        path = f"{self.name}/{server}"
        self._runtime.tell(
            [
                f"set server {path} state maint",
                f"set server {path} addr {seat.address} port {seat.port}",
                f"set server {path} weight 0",
                f"set server {path} state drain",
            ]
        )

    def add(self, server: str, seat: Seat, *, check: bool) -> None:
        """A server that HAProxy's configuration does not know; it gets no traffic yet."""
        path = f"{self.name}/{server}"
        self._runtime.tell(
            [
                f"add server {path} {seat.address}:{seat.port} weight 0" + (f" {CHECK}" if check else ""),
                f"set server {path} state drain",
                *([f"enable health {path}"] if check else []),
            ]
        )

    def share(self, weights: Mapping[str, int]) -> None:
        """Give each of these servers its weight, within a moment; 0 drains it, once the others have theirs."""
        commands: list[str] = []
        for server, weight in weights.items():
            path = f"{self.name}/{server}"
            commands += [
                f"set server {path} weight {weight}",
                f"set server {path} state {'ready' if weight else 'drain'}",
            ]
        self._runtime.tell(sorted(commands, key=lambda text: text.endswith("drain")))

    def park(self, server: str) -> None:
        """No traffic and no checks."""
        self._runtime.tell([f"set server {self.name}/{server} state maint"])

    def delete(self, server: str) -> None:
        """Forget a server that was added; it has to be parked. TargetError while connections to it are open."""
        self._runtime.tell([f"del server {self.name}/{server}"])

    def _figures(self) -> Sequence[Mapping[str, str]]:
        text = self._runtime.ask(f"show stat {self.name} -1 -1")
        return list(csv.DictReader(io.StringIO(text.removeprefix("# "))))


def _server(row: Mapping[str, str]) -> Server:
    admin, check = int(row["srv_admin_state"]), int(row["srv_check_state"])
    result = int(row["srv_check_result"])
    return Server(
        name=row["srv_name"],
        seat=Seat(address=row["srv_addr"], port=int(row["srv_port"])),
        maintained=bool(admin & MAINTENANCE),
        draining=bool(admin & DRAINING),
        up=int(row["srv_op_state"]) != 0,
        weight=int(row["srv_uweight"]),
        checked=check & CHECKED == CHECKED,
        answered={PASSED: True, FAILED: False}.get(result),
    )
