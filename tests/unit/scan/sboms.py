"""Small CycloneDX documents like those of syft."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote


def deb(name: str, version: str, *, arch: str = "amd64", distro: str = "debian-12", source: str = "") -> dict[str, Any]:
    """A component as syft writes it for a Debian package."""
    upstream = f"&upstream={source}" if source else ""
    purl = f"pkg:deb/{distro.partition('-')[0]}/{name}@{quote(version)}?arch={arch}&distro={distro}{upstream}"
    return {"type": "library", "name": name, "version": version, "purl": purl}


def package(ecosystem: str, name: str, version: str, *, path: str = "") -> dict[str, Any]:
    """A component of another ecosystem."""
    found = {"type": "library", "name": name, "version": version, "purl": f"pkg:{ecosystem}/{quote(name)}@{version}"}
    return {**found, "properties": [{"name": "syft:location:0:path", "value": path}]} if path else found


def system(name: str = "debian", version: str = "12", codename: str = "bookworm") -> dict[str, Any]:
    """The component that names the distribution."""
    properties = [{"name": "syft:distro:versionCodename", "value": codename}] if codename else []
    return {"type": "operating-system", "name": name, "version": version, "properties": properties}


def sbom(*components: dict[str, Any], serial: str = "urn:uuid:1", time: str = "2026-01-01T00:00:00Z") -> bytes:
    """The document around them."""
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": serial,
            "version": 1,
            "metadata": {"timestamp": time, "component": {"type": "container", "name": "shop"}},
            "components": list(components),
        }
    ).encode()
