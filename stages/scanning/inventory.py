"""The image's packages, from the CycloneDX document that syft wrote."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from pipeline.errors import EcluseError
from stages.scanning.report import printable

_NAMESPACE = uuid.UUID("6f2a4ac3-6c1c-5b6e-9a54-0a2f4a4a7f55")
_DEBIAN_RELEASES = {"11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A package of the image: `ecosystem` is the type of its purl (deb, pypi, npm …)."""

    ecosystem: str
    name: str
    version: str
    purl: str
    distribution: str = ""
    """For deb, rpm, apk: the purl's namespace (`debian`, `ubuntu`)."""
    architecture: str = ""
    source: str = ""
    """For deb: the source package."""
    path: str = ""
    """Where in the image it was found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What is in the image. `codename` is the Debian release ("" = none or unknown)."""

    packages: tuple[Package, ...]
    distribution: str = ""
    codename: str = ""

    def of(self, ecosystem: str) -> tuple[Package, ...]:
        """The packages of one ecosystem."""
        return tuple(package for package in self.packages if package.ecosystem == ecosystem)

    @property
    def debian_python(self) -> tuple[Package, ...]:
        """Python packages that are part of a Debian package: Debian mends them without raising their version, so
        upstream's advisories would accuse them wrongly, and Debian's own index answers for them."""
        if not self.codename:
            return ()
        upstream = {item.name: item.version for item in self.of("deb")}
        return tuple(item for item in self.of("pypi") if _is_part(item, upstream))

    @property
    def python(self) -> tuple[Package, ...]:
        """The other Python packages."""
        theirs = set(self.debian_python)
        return tuple(item for item in self.of("pypi") if item not in theirs)

    @property
    def architecture(self) -> str:
        """Debian's name of the image's architecture, as most of its packages have it; "" when none says."""
        counts = Counter(item.architecture for item in self.of("deb") if item.architecture not in ("", "all"))
        return counts.most_common(1)[0][0] if counts else ""


def read_sbom(text: bytes) -> Mapping[str, Any]:
    """The document, parsed; EcluseError when it is no CycloneDX."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise EcluseError(f"syft wrote no JSON: {error}", hint="run the stage again; report it if it stays") from error
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise EcluseError("syft wrote no CycloneDX document", hint="run the stage again; report it if it stays")
    return document


def stable(document: Mapping[str, Any]) -> bytes:
    """The document without what differs from one scan of the same image to the next: its time and random serial."""
    metadata = {key: value for key, value in document.get("metadata", {}).items() if key != "timestamp"}
    body = {**document, "metadata": metadata, "serialNumber": ""}
    serial = uuid.uuid5(_NAMESPACE, json.dumps(body, sort_keys=True))
    return json.dumps({**body, "serialNumber": f"urn:uuid:{serial}"}, ensure_ascii=False).encode()


def inventory_of(document: Mapping[str, Any]) -> Inventory:
    """Packages and distribution; components without a purl (files, the system itself) are no packages."""
    components = [item for item in document.get("components") or () if isinstance(item, dict)]
    distribution, codename = _system(components)
    unique = dict.fromkeys(_packages(components))
    return Inventory(packages=tuple(unique), distribution=distribution, codename=codename)


def _packages(components: Iterable[Mapping[str, Any]]) -> Iterator[Package]:
    for item in components:
        purl = str(item.get("purl") or "")
        if not purl.startswith("pkg:"):
            continue
        path, _, query = purl[4:].partition("?")
        parts = path.split("/")
        qualifiers = {key: values[0] for key, values in parse_qs(query.partition("#")[0]).items()}
        yield Package(
            ecosystem=printable(parts[0]),
            name=printable(item.get("name") or unquote(parts[-1].partition("@")[0])),
            version=printable(item.get("version") or ""),
            purl=printable(purl),
            distribution=printable(unquote(parts[1])) if len(parts) > 2 else "",
            architecture=printable(qualifiers.get("arch", "")),
            source=printable(qualifiers.get("upstream", "").partition("@")[0]),
            path=printable(_property(item, "syft:location:0:path")),
        )


def _is_part(package: Package, upstream: Mapping[str, str]) -> bool:
    """Whether it lies where only dpkg installs, and the Debian package of its name has its version."""
    owner = upstream.get(f"python3-{canonical_name(package.name)}", "")
    version = owner.rpartition(":")[2].rpartition("-")[0] or owner
    return (
        package.path.startswith("/usr/lib/python3/dist-packages/")
        and re.split(r"[+~]", version)[0] == re.split(r"[+~]", package.version)[0]
    )


def canonical_name(name: str) -> str:
    """PyPI's normal form of a project name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _property(component: Mapping[str, Any], name: str) -> str:
    for entry in component.get("properties") or ():
        if entry.get("name") == name:
            return str(entry.get("value") or "")
    return ""


def _system(components: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    for item in components:
        if item.get("type") == "operating-system":
            name = printable(item.get("name") or "")
            version = str(item.get("version") or "")
            codename = _property(item, "syft:distro:versionCodename") or _DEBIAN_RELEASES.get(
                version.partition(".")[0], ""
            )
            return name, printable(codename) if name == "debian" else ""
    return "", ""
