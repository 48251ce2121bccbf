"""The engines of an environment: how each is reached, and where a proxy finds the ports that it publishes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.dockerapi import Certificates
from pipeline.model.value import Options, Value
from pipeline.targets.written import mapping

SCHEMES = ("unix", "tcp", "ssh", "http", "https")


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """An engine of the environment. `address` is the IP address at which the proxy reaches its published ports."""

    engine: str = ""
    """"" = this machine's own."""
    name: str = "local"
    address: str = "127.0.0.1"
    certificates: Certificates | None = None


def hosts_of(options: Options) -> tuple[Host, ...]:
    """`host`, or `hosts`; this machine's own engine without either. ValueError says what is wrong."""
    written = options.get("hosts")
    if written is None:
        return (_host({"host": options.get("host", ""), **_only(options, "tls", "address")}, "host"),)
    if "host" in options:
        raise ValueError("write either host or hosts, not both")
    if isinstance(written, str) or not hasattr(written, "__iter__") or isinstance(written, Mapping):
        raise ValueError(f"{written!r} is not a list of hosts")
    hosts = tuple(
        _host(item if isinstance(item, Mapping) else {"host": item}, f"hosts[{index}]")
        for index, item in enumerate(written)
    )
    if not hosts:
        raise ValueError("hosts names no engine")
    for said in ("engine", "name"):
        seen = [getattr(item, said) for item in hosts]
        if twice := next((item for item in seen if seen.count(item) > 1), None):
            raise ValueError(f"hosts names '{twice}' twice")
    return hosts


def _host(written: Options, where: str) -> Host:
    engine = str(written.get("host", ""))
    parts = urlsplit(engine)
    if engine and parts.scheme not in SCHEMES:
        raise ValueError(f"{where}: '{engine}' is not an engine's address; wanted: unix://…, tcp://… or ssh://…")
    address = str(written.get("address", "")) or (
        parts.hostname or "" if parts.scheme in ("tcp", "ssh") else "127.0.0.1"
    )
    if "address" in written and not is_ip(address):
        raise ValueError(f"{where}: '{address}' is not an IP address")
    name = str(written.get("name", "")) or parts.hostname or (parts.path.strip("/").replace("/", "-") or "local")
    return Host(engine=engine, name=name, address=address, certificates=_certificates(written.get("tls"), where))


def _certificates(value: Value, where: str) -> Certificates | None:
    if value is None:
        return None
    files = mapping(value)
    missing = [key for key in ("ca", "certificate", "key") if not files.get(key)]
    if missing:
        raise ValueError(f"{where}: tls has no {' and no '.join(missing)}")
    return Certificates(authority=str(files["ca"]), certificate=str(files["certificate"]), key=str(files["key"]))


def is_ip(text: str) -> bool:
    """Whether this is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _only(options: Options, *names: str) -> dict[str, Value]:
    return {name: options[name] for name in names if name in options}
