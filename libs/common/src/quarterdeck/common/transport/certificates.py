"""A service's certificate, its key and whom it trusts: three files that may be replaced at any time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.troubles import Troubles

# The names that a Kubernetes Secret of a certificate has, and those of cert-manager.
CERTIFICATE, KEY, AUTHORITIES = FILES = ("tls.crt", "tls.key", "ca.crt")
# Seconds between two looks at the files.
LOOK_AGAIN = 1.0

log = structlog.get_logger("transport")

# What tells one state of the files from another: of each, when it was changed, its number and its size.
_State = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What a connection is made with, as PEM; `expires` is the certificate's end in seconds since 1970."""

    certificate: bytes
    key: bytes
    authorities: bytes
    expires: float


class CertificateError(Unavailable):
    """The files are no certificate; the message says which, and why not."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, hint="`qd certs` makes certificates for development", reason="BadCertificate"
        )


class Certificates:
    """The files of one directory, followed while they change.

    Files that are being replaced, or make no sense, change nothing: what was read before stays until they do.

    Args:
        clock: seconds that only grow.

    Raises:
        CertificateError: there is nothing to begin with.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._looked = clock()
        self._state = _state_of(directory)
        self._material = read_material(directory)
        self._troubles = Troubles("tls")

    @property
    def material(self) -> Material:
        """What is on disk now, or was the last time that it made sense."""
        now = self._clock()
        if now - self._looked >= LOOK_AGAIN:
            self._looked = now
            self._look()
        return self._material

    async def check(self) -> None:
        """Raises Unavailable if the certificate has expired, or what replaces it cannot be used."""
        if self.material.expires <= time.time():
            self._troubles.note("expiry", f"the certificate in {self._directory} has expired")
        else:
            self._troubles.clear("expiry")
        self._troubles.check()

    def _look(self) -> None:
        state = _state_of(self._directory)
        if state == self._state:
            self._troubles.clear("files")  # they are back as they were
            return
        try:
            material = read_material(self._directory)
        except CertificateError as error:
            self._troubles.note("files", error.message)
            return
        self._state = state
        self._troubles.clear("files")
        if material != self._material:
            self._material = material
            log.info("tls.replaced", directory=str(self._directory), expires=material.expires)


def read_material(directory: Path) -> Material:
    """Reads the three files. Raises CertificateError unless they belong together."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    certificate, key, authorities = (_read(directory / name) for name in FILES)
    try:
        own = x509.load_pem_x509_certificates(certificate)[0]
        x509.load_pem_x509_certificates(authorities)
    except ValueError as error:
        both = f"{CERTIFICATE} or {AUTHORITIES} in {directory}"
        raise CertificateError(f"{both} is no certificate: {error}") from None
    try:
        private = load_pem_private_key(key, password=None)
    except (TypeError, ValueError) as error:
        raise CertificateError(f"{directory / KEY} is no private key: {error}") from None
    if private.public_key() != own.public_key():
        raise CertificateError(f"{CERTIFICATE} and {KEY} in {directory} do not belong together")
    return Material(certificate, key, authorities, own.not_valid_after_utc.timestamp())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror}") from None


def _state_of(directory: Path) -> _State:
    try:
        found = [(directory / name).stat() for name in FILES]
    except OSError:
        return ()
    return tuple((status.st_mtime_ns, status.st_ino, status.st_size) for status in found)
