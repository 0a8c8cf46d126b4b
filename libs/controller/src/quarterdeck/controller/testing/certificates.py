"""Keys of an API server that lives for a test: authority, server certificate, key for accounts' tokens."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFE = timedelta(days=2)


def write_keys(folder: Path) -> None:
    """Writes `ca.crt`, and `server`, `client` (`.crt`, `.key`) and `accounts` (`.key`, `.pub`).

    Who presents the client's certificate is the user `certified` of the group `system:masters`.
    """
    authority, server, client, accounts = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    root = _unsigned("test-authority", "test-authority", authority.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    leaf = _unsigned("kube-apiserver", "test-authority", server.public_key()).add_extension(
        x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        ),
        critical=False,
    )
    person = _unsigned("certified", "test-authority", client.public_key(), "system:masters")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, builder in (("ca.crt", root), ("server.crt", leaf), ("client.crt", person)):
        signed = builder.sign(authority, hashes.SHA256())
        (folder / name).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(_private(server))
    (folder / "client.key").write_bytes(_private(client))
    (folder / "accounts.key").write_bytes(_private(accounts))
    (folder / "accounts.pub").write_bytes(
        accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def _unsigned(
    subject: str, issuer: str, key: ec.EllipticCurvePublicKey, group: str = ""
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject, group))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )


def _name(common: str, group: str = "") -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, group), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(kind, said) for kind, said in parts if said])


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
