"""The NSCA protocol, version 3, as `send_nsca` speaks it.

Source of the format: `include/common.h` and `src/utils.c` of https://github.com/NagiosEnterprises/nsca (2.9.1 and
later): the daemon greets with 128 random bytes and its time; the client answers with one packet, encrypted with them
and the password. The libraries on PyPI that speak it have had no release for years; the format is one page.
"""

from __future__ import annotations

import socket
import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle

TIMEOUT = 10.0
"""Seconds for the connection, and for each of the two halves of the talk."""
VERSION = 3
_GREETING = struct.Struct("!128sI")
_PACKET = struct.Struct("!hxxIIh64s128s4096sxx")
"""version, CRC32 (over the packet with a CRC of 0), time, state, host, service, output; C's own padding."""


class Encryption(StrEnum):
    """`encryption_method` 0 and 1 of the daemon; XOR hides, it does not protect."""

    NONE = "none"
    XOR = "xor"


@dataclass(frozen=True, kw_only=True, slots=True)
class PassiveCheck:
    """A result for Nagios: `state` is 0 ok, 1 warning, 2 critical, 3 unknown."""

    host: str
    service: str
    state: int
    output: str


def send(check: PassiveCheck, address: tuple[str, int], *, encryption: Encryption, password: str = "") -> None:
    """Hand one result over. OSError when the daemon cannot be reached or hangs up; it never says whether it agreed."""
    with socket.create_connection(address, timeout=TIMEOUT) as connection:
        random, time = _GREETING.unpack(_read(connection, _GREETING.size))
        connection.sendall(encrypted(packet(check, time=time), random, encryption=encryption, password=password))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # until the daemon has hung up: it has read the packet then


def packet(check: PassiveCheck, *, time: int) -> bytes:
    """The packet before its encryption; texts are cut to their fields, which end in a zero byte."""
    fields = (time, check.state, _text(check.host, 64), _text(check.service, 128), _text(check.output, 4096))
    return _PACKET.pack(VERSION, zlib.crc32(_PACKET.pack(VERSION, 0, *fields)), *fields)


def encrypted(plain: bytes, random: bytes, *, encryption: Encryption, password: str) -> bytes:
    """XOR with the daemon's random bytes and then with the password, each over and over again."""
    if encryption is Encryption.NONE:
        return plain
    mixed = bytes(a ^ b for a, b in zip(plain, cycle(random), strict=False))
    key = password.encode()
    return bytes(a ^ b for a, b in zip(mixed, cycle(key), strict=False)) if key else mixed


def _text(text: str, size: int) -> bytes:
    return text.encode()[: size - 1].decode(errors="ignore").encode()


def _read(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        chunk = connection.recv(size - len(content))
        if not chunk:
            raise ConnectionError("the daemon hung up before its greeting was whole (does it allow this host?)")
        content += chunk
    return content
