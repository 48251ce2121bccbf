"""What the programs in the scanners' image make of the tools' words; no scanner runs here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.scanning.toolbox.programs import debian, inspection
from stages.scanning.toolbox.programs.process import Ended, call

INRELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Date: Sat, 21 Nov 2026 00:53:02 UTC
Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC
SHA256:
 abc 12 main/binary-amd64/Packages
"""
PACKAGES = """Package: jq
Version: 1.6-2.1+deb12u3
Description: Package: of a trap
 Version: 9

Package: jq
Version: 1.6-2.1+deb12u2

Package: curl
Version: 7.88.1-10+deb12u14
"""


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        pytest.param("E: Failed to fetch … Temporary failure resolving 'security.debian.org'", "network", id="dns"),
        pytest.param("E: Failed to fetch … Could not connect to 127.0.0.1:9", "network", id="dead proxy"),
        pytest.param("E: … 503  Service Unavailable [IP: 1.2.3.4 80]", "network", id="server trouble"),
        pytest.param("E: The repository '… Release' does not have a Release file.", "missing", id="no such release"),
        pytest.param("E: Failed to fetch …/InRelease  404  Not Found", "missing", id="404"),
        pytest.param("E: Release file for … is expired (invalid since 5d).", "expired", id="stale"),
        pytest.param("E: … The following signatures couldn't be verified: NO_PUBKEY 1", "broken", id="bad signature"),
    ],
)
def test_apt_complaints(told: str, kind: str) -> None:
    assert debian.kind(told) == kind


def test_the_first_complaint_is_the_reason() -> None:
    assert debian.reason("Get:1 x\nW: odd\nE: bad\n") == "odd"
    assert debian.reason("") == "apt said nothing"


def test_release_fields(tmp_path: Path) -> None:
    (tmp_path / "x_InRelease").write_text(INRELEASE)
    found = debian.fields(tmp_path.glob("*_InRelease"))
    assert (found["Date"], found["Valid-Until"]) == (
        "Sat, 21 Nov 2026 00:53:02 UTC",
        "Sat, 28 Nov 2026 00:53:02 UTC",
    )


def test_package_versions() -> None:
    assert debian.versions(PACKAGES.splitlines(keepends=True)) == {
        "jq": ["1.6-2.1+deb12u3", "1.6-2.1+deb12u2"],
        "curl": ["7.88.1-10+deb12u14"],
    }


@pytest.mark.parametrize(
    ("codename", "architecture"),
    [
        pytest.param("bookworm; rm -rf /", "amd64", id="shell"),
        pytest.param("../../etc", "amd64", id="path"),
        pytest.param("bookworm", "amd64] http://evil", id="architecture"),
        pytest.param("", "amd64", id="empty"),
    ],
)
def test_a_made_up_release_never_reaches_apt(codename: str, architecture: str) -> None:
    assert debian.security_index(codename, architecture)["kind"] == "missing"


def leak(uri: str, line: int) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": uri}, "region": {"startLine": line, "endLine": line}}
    return {"ruleId": "x", "locations": [{"physicalLocation": place}]}


@pytest.mark.parametrize(
    ("uri", "line", "allowed"),
    [
        pytest.param("a.py", 2, True, id="on its line"),
        pytest.param("a.py", 1, False, id="on another line"),
        pytest.param("../outside.py", 1, False, id="outside"),
        pytest.param("link.py", 1, False, id="a link that leads outside"),
        pytest.param("gone.py", 1, False, id="no such file"),
    ],
)
def test_allow_comments(tmp_path: Path, uri: str, line: int, allowed: bool) -> None:
    root = tmp_path / "source"
    root.mkdir()
    (root / "a.py").write_text("key = 1\nkey = 2  # gitleaks:allow\n")
    (tmp_path / "outside.py").write_text("x = 1  # gitleaks:allow\n")
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    document = {"runs": [{"results": [leak(uri, line)]}]}
    inspection.mark_allowed(document, root)
    assert ("suppressions" in document["runs"][0]["results"][0]) is allowed


def test_a_tool_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    ended = call(["sleep", "60"], cwd=tmp_path, limit=0.05)
    assert ended.code is None
    assert ended.told() == "no answer in time"


def test_a_tool_is_quoted_by_its_last_words() -> None:
    assert Ended(code=1, out="", err="first\nsecond\nthird\n   ^^^^\nlast\n", seconds=0.1).told() == (
        "exit 1; second; third; last"
    )
