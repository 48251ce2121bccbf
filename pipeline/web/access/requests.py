"""Small facts of a request that are not to be believed without a look."""

from __future__ import annotations

import ipaddress

from fastapi import Request

_NEXT_LIMIT = 2000


def address_of(request: Request) -> str:
    """Where it came from; of IPv6 the network, for its owner has as many addresses as they like."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def local_path(text: str) -> str:
    """A path of this server to go to after sign-in; anything else becomes `/`.

    Browsers read `//host` and `/\\host` as other hosts, and drop tabs and line ends within.
    """
    if not text.startswith("/") or text[1:2] in ("/", "\\") or len(text) > _NEXT_LIMIT:
        return "/"
    if any(character <= " " or character in "\\\x7f" for character in text):
        return "/"
    return text
