"""What a stranger's file may have this machine ask: https at addresses of the public internet, and what is listed."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_URL = re.compile(r"https://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/[^\s\\]*)?")
_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 behind a translator: its last four bytes are where it leads."""

Lookup = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Whereabouts:
    """A host and where it is now: who connects must go there, whatever the name means a moment later."""

    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def pin(self) -> str:
        """As curl's `--resolve` takes it."""
        places = (f"[{item}]" if ":" in item else item for item in self.addresses)
        return f"{self.host.strip('[]')}:{self.port}:{','.join(places)}"


def whereabouts(url: str, *, allowed: Sequence[str] = (), lookup: Lookup | None = None) -> Whereabouts:
    """Where a URL of a stranger leads. ValueError, with why in words, where it may not be asked.

    `allowed` are hosts (`host` or `host:port`) that may be anywhere. `lookup` gives the addresses of a name.
    """
    found = _URL.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 443) < 65536 or found["host"].endswith("."):
        raise ValueError("it is not https://HOST/PATH")
    host, port = found["host"].lower(), int(found["port"] or 443)
    try:
        addresses = tuple(dict.fromkeys((lookup or _looked_up)(host.strip("[]"), port)))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"the name {host} is not known") from error
    is_listed = host in allowed or f"{host}:{port}" in allowed
    private = [item for item in addresses if not is_public(item)]
    if not addresses or (private and not is_listed):
        raise ValueError(f"{host} is in a private network ({private[0] if private else 'nowhere'})")
    return Whereabouts(host=host, port=port, addresses=addresses)


def is_public(text: str) -> bool:
    """Whether an address is one host of the public internet, however it is wrapped."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _TRANSLATED:
            inner = IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


def _looked_up(host: str, port: int) -> Sequence[str]:
    return [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
