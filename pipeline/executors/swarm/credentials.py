"""Certificates for the doors of one run: made in memory, known to nobody else, of no use when the run has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for its 30 ms, not for a circle
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DOOR = "door.ecluse.internal"
"""The name that every door proves to have."""
_CALLER = "caller.ecluse.internal"
_AUTHORITY = "authority.ecluse.internal"
_DAYS = 30


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM: own key, own certificate, and that of the authority of both sides."""

    door: bytes
    caller: bytes


def new_credentials(now: datetime | None = None) -> Credentials:
    """An authority whose key is thrown away, and what it has signed."""
    from cryptography.hazmat.primitives.asymmetric import ec

    began = now or datetime.now(UTC)
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _certificate(_AUTHORITY, authority, authority, began, authority=True)
    return Credentials(door=_signed(DOOR, authority, root, began), caller=_signed(_CALLER, authority, root, began))


def _signed(name: str, authority: EllipticCurvePrivateKey, root: x509.Certificate, began: datetime) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    own = _certificate(name, key, authority, began, authority=False)
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + own.public_bytes(Encoding.PEM)
        + root.public_bytes(Encoding.PEM)
    )


def _certificate(
    name: str, key: EllipticCurvePrivateKey, signer: EllipticCurvePrivateKey, began: datetime, *, authority: bool
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(_AUTHORITY))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began - timedelta(hours=1))  # clocks of nodes differ
        .not_valid_after(began + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return builder.sign(signer, SHA256())


def _named(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
