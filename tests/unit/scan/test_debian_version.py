"""The order of Debian versions agrees with dpkg's."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from stages.scanning.debian_version import compare, newest

ORDERED = [
    pytest.param("1.0~rc1-1", "1.0-1", id="a tilde is older than the end"),
    pytest.param("1.0~~", "1.0~", id="two tildes are older than one"),
    pytest.param("1.0-1+deb12u2", "1.0-1+deb12u10", id="digits count as numbers"),
    pytest.param("9.9-1", "1:0.1-1", id="an epoch wins"),
    pytest.param("1.0", "1.0-1", id="no revision is older than revision 1"),
    pytest.param("1.0-1~bpo12+1", "1.0-1", id="a backport is older than what it was made from"),
    pytest.param("1.0a", "1.0+b1", id="letters come before other characters"),
    pytest.param("2.4.2-3+deb12u8", "2.4.2-3+deb12u9", id="the next security update"),
    pytest.param("1.6-2.1", "1.6-2.1+b1", id="a rebuild is newer"),
    pytest.param("22.01+dfsg-8", "22.01+really26.02+dfsg-0+deb12u1", id="an upstream version that went back"),
    pytest.param("20230311+deb12u1", "20250419~deb12u2", id="dates"),
    pytest.param("1.2-3-4", "1.2-3-5", id="the last hyphen divides"),
]


@pytest.mark.parametrize(("older", "newer"), ORDERED)
def test_older_is_less_than_newer(older: str, newer: str) -> None:
    assert (compare(older, newer), compare(newer, older), compare(older, older)) == (-1, 1, 0)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("1.0-0", "1.0", id="revision 0 and none"),
        pytest.param("0:1.0", "1.0", id="epoch 0 and none"),
        pytest.param("1.09", "1.9", id="leading zeros"),
    ],
)
def test_equal_spellings(left: str, right: str) -> None:
    assert compare(left, right) == 0


@pytest.mark.skipif(not shutil.which("dpkg"), reason="compares with dpkg, which only Debian has")
@pytest.mark.parametrize(("older", "newer"), ORDERED)
def test_dpkg_agrees(older: str, newer: str) -> None:
    assert subprocess.run(["dpkg", "--compare-versions", older, "lt", newer]).returncode == 0


@pytest.mark.parametrize("version", ["", "-", ":", "²:1", "~", "1:", "٣.١", "a" * 500])
def test_made_up_versions_have_an_order_too(version: str) -> None:
    assert compare(version, version) == 0
    assert compare(version, "1.0-1") == -compare("1.0-1", version)


def test_newest_of_several() -> None:
    assert newest(("1.0-1+deb12u2", "1.0-1+deb12u10", "1.0-1")) == "1.0-1+deb12u10"
