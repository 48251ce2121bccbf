"""Connections of browsers, forges and programs: each has to say soon what it wants, and there are not too many."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.errors import SettingsError

HEADERS_WITHIN = 20.0
"""Seconds within which a request's first line and headers have to be there."""
MOST = 10_000
"""Connections at a time in one process; less where the system gives it fewer files."""
MOST_OF_ONE = 2_000
"""Of them from one address; half of all at most."""
_OTHER_FILES = 256
"""Files that the process needs besides: databases, logs, pipes of runs."""
Network = IPv4Network | IPv6Network


def most() -> int:
    """So many connections this process may have; asks the system for as many files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        soft = max(soft, allowed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST if soft == resource.RLIM_INFINITY else max(1, min(MOST, soft - _OTHER_FILES))


def networks(addresses: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks (`10.0.0.7`, `10.0.0.0/8`) of proxies, and this machine. SettingsError else."""
    try:
        return tuple(ip_network(address, strict=False) for address in ("127.0.0.0/8", "::1", *addresses))
    except ValueError as error:
        raise SettingsError(
            f"setting 'trusted_proxies': {error}", hint="name addresses and networks, as 10.0.0.7 or 10.0.0.0/8"
        ) from error


class Connection(H11Protocol):
    """Uvicorn's, and one that hangs up on who sends the headers of a request byte by byte, or nothing at all."""

    most = MOST
    most_of_one = MOST_OF_ONE
    proxies: Sequence[Network] = ()
    """Where the connections of many come from one address."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more; one too many, of all or of one address, is closed without a word."""
        super().connection_made(transport)
        if len(self.connections) > self.most or self._is_of_too_many():
            transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        super().data_received(data)
        if self._is_between():
            self._wait()
        else:
            self._heard()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._heard()
        super().connection_lost(exc)

    def _is_of_too_many(self) -> bool:
        if len(self.connections) <= self.most_of_one or self.client is None:
            return False
        address = self.client[0]
        if any(ip_address(address) in network for network in self.proxies):
            return False
        others: Any = self.connections
        of_one = sum(1 for other in others if other.client is not None and other.client[0] == address)
        return of_one > self.most_of_one

    def _is_between(self) -> bool:
        """Whether the headers of the next request are not there yet."""
        cycle: Any = self.cycle  # none before the first request
        return cycle is None or cycle.response_complete is True

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEADERS_WITHIN, self._hang_up)

    def _heard(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        self._late = None
        if self._is_between() and not self.transport.is_closing():
            self.transport.close()
