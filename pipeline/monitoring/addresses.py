"""Addresses as they may be shown: without the login and the query, where tokens hide."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.errors import MonitoringError
from pipeline.model.value import Options
from pipeline.ports.secrets import Secrets


def shown(url: str) -> str:
    """Scheme, host and port of a URL; its path, login and query may hold tokens."""
    parts = urlsplit(url)
    host = parts.hostname or "?"
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def web_address(url: str, sink: str) -> str:
    """The URL, when it is one. MonitoringError else."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url.rstrip("/") if not parts.query else url
    except ValueError:
        pass
    raise MonitoringError(f"{sink}: its address is not http(s)://host[:port]", hint="correct it under `supervision`")


def host_and_port(text: str, sink: str, *, usual: int) -> tuple[str, int]:
    """`host`, `host:port` or `[v6]:port`. MonitoringError else."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, str(usual)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise MonitoringError(f"{sink}: '{text}' is not host:port", hint="correct it under `supervision`")
    return host.strip("[]"), int(port)


def secret(options: Options, key: str, secrets: Secrets, sink: str) -> str:
    """The value of the secret that this option names; "" without the option. MonitoringError when nobody has it."""
    name = options.get(key)
    if not name:
        return ""
    value = secrets.get(str(name))
    if value is None:
        raise MonitoringError(
            f"{sink}: secret '{name}' is not known", hint=f"set ECLUSE_SECRET_{name}, or store it on this machine"
        )
    return value
