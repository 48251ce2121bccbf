"""The NSCA packet, byte by byte, as the daemon's own headers have it."""

from __future__ import annotations

import struct
import zlib

import pytest

from pipeline.monitoring.nsca import Encryption, PassiveCheck, encrypted, packet

CHECK = PassiveCheck(host="shop-dev", service="smoke", state=2, output="CRITICAL: no")


def test_the_packet_has_the_daemons_layout() -> None:
    made = packet(CHECK, time=1_700_000_000)
    assert len(made) == 4304  # sizeof(data_packet) on the daemon's side, padding included
    version, crc, time, state = struct.unpack("!h2xIIh", made[:14])
    assert (version, time, state) == (3, 1_700_000_000, 2)
    assert made[14:78].rstrip(b"\0") == b"shop-dev"
    assert made[78:206].rstrip(b"\0") == b"smoke"
    assert made[206:].rstrip(b"\0") == b"CRITICAL: no"
    assert crc == zlib.crc32(made[:4] + b"\0\0\0\0" + made[8:])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("x" * 5000, b"x" * 4095, id="cut-before-the-zero-byte"),
        pytest.param("x" * 4094 + "é", b"x" * 4094, id="no-half-characters"),
    ],
)
def test_long_output_is_cut(text: str, kept: bytes) -> None:
    made = packet(PassiveCheck(host="h", service="s", state=0, output=text), time=0)
    assert len(made) == 4304
    assert made[206:4302].rstrip(b"\0") == kept


@pytest.mark.parametrize("password", ["", "secret", "x" * 500])
def test_xor_undoes_itself(password: str) -> None:
    plain, random = packet(CHECK, time=7), bytes(range(128))
    mixed = encrypted(plain, random, encryption=Encryption.XOR, password=password)
    assert mixed != plain
    assert encrypted(mixed, random, encryption=Encryption.XOR, password=password) == plain
    assert encrypted(plain, random, encryption=Encryption.NONE, password=password) == plain
