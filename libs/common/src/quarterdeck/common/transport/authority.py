"""A small certificate authority for development, for tests, and for clusters that have none."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.common.transport.certificates import AUTHORITIES, CERTIFICATE, KEY

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_KEY = "ca.key"
AUTHORITY_DAYS, SERVICE_DAYS = 3650, 90
# Clocks differ: what is valid from now on is valid a little before.
LEEWAY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that signs others, and its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @classmethod
    def at(cls, directory: Path) -> Authority:
        """Returns the authority that is kept in a directory; makes it if there is none."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        certificate, key = directory / AUTHORITIES, directory / AUTHORITY_KEY
        if not key.exists():
            made = cls.make()
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(key, _key_pem(made.key), 0o600)
            _write(certificate, _pem(made.certificate), 0o644)
        private = load_pem_private_key(key.read_bytes(), password=None)
        return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), private)  # type: ignore[arg-type]

    @classmethod
    def make(cls) -> Authority:
        """Returns a new one."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Quarterdeck development")
        builder = _builder(name, name, key, AUTHORITY_DAYS)
        basic = x509.BasicConstraints(ca=True, path_length=0)
        return cls(builder.add_extension(basic, critical=True).sign(key, hashes.SHA256()), key)

    def issue(self, directory: Path, names: Iterable[str], days: float = SERVICE_DAYS) -> None:
        """Writes a certificate for some names, the service's first, its key, and this authority's own.

        Each file is put in place whole; the certificate last, so that who follows them reads the pair.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        known = list(names)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(known[0]), self.certificate.subject, key, days)
        alternative = x509.SubjectAlternativeName([_general(name) for name in known])
        certificate = builder.add_extension(alternative, critical=False).sign(self.key, hashes.SHA256())
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(directory / AUTHORITIES, _pem(self.certificate), 0o644)
        _write(directory / KEY, _key_pem(key), 0o600)
        _write(directory / CERTIFICATE, _pem(certificate), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - LEEWAY,
        not_valid_after=now + timedelta(days=days),
    )


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    temporary.rename(path)
