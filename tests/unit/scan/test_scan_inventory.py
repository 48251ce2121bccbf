"""Packages are read from the SBOM as they are, and a hostile image cannot write into the log with them."""

from __future__ import annotations

import json

import pytest
from sboms import deb, package, sbom, system

from pipeline.errors import EcluseError
from stages.scanning.inventory import inventory_of, read_sbom, stable


def test_packages_and_release() -> None:
    document = read_sbom(
        sbom(
            system(),
            deb("libc6", "2.36-9+deb12u4", source="glibc"),
            deb("adduser", "3.134", arch="all"),
            deb("zlib1g", "1:1.2.13.dfsg-1"),
            package("pypi", "jinja2", "2.10"),
            package("npm", "left-pad", "1.0.0"),
            {"type": "file", "name": "/etc/passwd"},
        )
    )
    inventory = inventory_of(document)
    assert (inventory.distribution, inventory.codename, inventory.architecture) == ("debian", "bookworm", "amd64")
    assert [(item.ecosystem, item.name, item.version, item.source) for item in inventory.packages] == [
        ("deb", "libc6", "2.36-9+deb12u4", "glibc"),
        ("deb", "adduser", "3.134", ""),
        ("deb", "zlib1g", "1:1.2.13.dfsg-1", ""),
        ("pypi", "jinja2", "2.10", ""),
        ("npm", "left-pad", "1.0.0", ""),
    ]


@pytest.mark.parametrize(
    ("component", "distribution", "codename"),
    [
        pytest.param(system(), "debian", "bookworm", id="named"),
        pytest.param(system(codename="", version="11.9"), "debian", "bullseye", id="known by its number"),
        pytest.param(system(codename="", version=""), "debian", "", id="unstable has no number"),
        pytest.param(system("ubuntu", "24.04", "noble"), "ubuntu", "", id="not Debian"),
        pytest.param(package("npm", "a", "1"), "", "", id="no system"),
    ],
)
def test_release(component: dict[str, object], distribution: str, codename: str) -> None:
    inventory = inventory_of(read_sbom(sbom(component)))
    assert (inventory.distribution, inventory.codename) == (distribution, codename)


def test_control_characters_do_not_survive() -> None:
    inventory = inventory_of(read_sbom(sbom(package("pypi", "evil\x1b[2Jname", "1\n2"))))
    assert [(item.name, item.version) for item in inventory.packages] == [("evil?[2Jname", "1?2")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"bomFormat": "SPDX"}', id="another format"),
    ],
)
def test_what_is_no_sbom_is_an_error(text: bytes) -> None:
    with pytest.raises(EcluseError, match="syft wrote no"):
        read_sbom(text)


def test_the_same_image_gives_the_same_bytes() -> None:
    first = stable(read_sbom(sbom(system(), serial="urn:uuid:1", time="2026-01-01T00:00:00Z")))
    second = stable(read_sbom(sbom(system(), serial="urn:uuid:2", time="2026-06-01T00:00:00Z")))
    other = stable(read_sbom(sbom(system(), deb("a", "1"))))
    assert first == second
    assert json.loads(first)["serialNumber"] != json.loads(other)["serialNumber"]
    assert json.loads(first)["serialNumber"].startswith("urn:uuid:")


DIST = "/usr/lib/python3/dist-packages/setuptools-66.1.1.egg-info/PKG-INFO"


@pytest.mark.parametrize(
    ("version", "path", "system_component", "debian_version", "theirs"),
    [
        pytest.param("66.1.1", DIST, system(), "66.1.1-1+deb12u2", True, id="installed by dpkg"),
        pytest.param("66.1.1", DIST, system(), "1:66.1.1+dfsg-1", True, id="repacked, with an epoch"),
        pytest.param("66.1.1", DIST.replace("/usr/lib", "/usr/local/lib"), system(), "66.1.1-1", False, id="by pip"),
        pytest.param("70.0.0", DIST, system(), "66.1.1-1", False, id="another version was put over it"),
        pytest.param("66.1.1", DIST, system("ubuntu", "24.04", "noble"), "66.1.1-1", False, id="nobody answers for it"),
    ],
)
def test_python_packages_of_debian_are_left_to_debian(
    version: str, path: str, system_component: dict[str, object], debian_version: str, theirs: bool
) -> None:
    document = sbom(
        system_component,
        deb("python3-setuptools", debian_version, arch="all"),
        package("pypi", "setuptools", version, path=path),
    )
    inventory = inventory_of(read_sbom(document))
    assert (len(inventory.debian_python), len(inventory.python)) == ((1, 0) if theirs else (0, 1))
