"""Making the anchor image: a 129-byte program that does nothing and the depot's first folders, imported once."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

from pipeline.dockerapi import translating
from pipeline.errors import EngineError
from pipeline.executors.docker.anchor import ANCHOR, FEW_FURNITURE, FURNITURE, PROGRAM
from pipeline.executors.docker.slot_names import FEW
from pipeline.executors.docker.tar_blocks import END, batch, file_blocks
from pipeline.model.identity import LABEL_ROLE, ROLE_SANDBOX

if TYPE_CHECKING:
    from docker import APIClient

BASE = 0x400000
HEADERS = 64 + 56
PROGRAMS = {
    # loop: mov eax, 34 (pause); syscall; jmp loop
    "amd64": (62, bytes.fromhex("b8220000000f05ebf7")),
    # loop: x0..x3 = 0; mov x8, 73 (ppoll); svc 0; b loop
    "arm64": (
        183,
        struct.pack("<7I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA),
    ),
}
"""Machine number of the ELF format and code, by the engine's word for its architecture."""


def digest() -> str:
    """What the image's tag must be: any change of program or folders asks for a new one."""
    return hashlib.sha256(repr(PROGRAMS).encode() + _furniture()).hexdigest()[:12]


def import_anchor(client: APIClient) -> None:
    """Put the anchor image on the engine. Raises EngineError for an architecture that we have no program for."""
    with translating("import the anchor image"):
        architecture = client.version()["Arch"]
        if architecture not in PROGRAMS:
            raise EngineError(
                f"no anchor program for engines on {architecture}",
                hint="use an engine on amd64 or arm64: " + ", ".join(sorted(PROGRAMS)),
            )
        client.import_image_from_data(
            _rootfs(architecture),
            repository=ANCHOR.partition(":")[0],
            tag=ANCHOR.partition(":")[2],
            changes=[f"LABEL {LABEL_ROLE}={ROLE_SANDBOX}", f'ENTRYPOINT ["{PROGRAM}"]'],
        )


def _rootfs(architecture: str) -> bytes:
    return file_blocks(PROGRAM.lstrip("/"), _elf(*PROGRAMS[architecture]), mode=0o755) + _furniture() + END


def _furniture() -> bytes:
    return batch(0, FURNITURE) + batch(0, FEW_FURNITURE, count=FEW)


def _elf(machine: int, code: bytes) -> bytes:
    """A static executable of one segment: ELF64 header, one program header, code."""
    size = HEADERS + len(code)
    header = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    return header + segment + code
