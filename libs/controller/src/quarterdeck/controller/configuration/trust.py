"""What TLS needs: whom we trust, and our certificate."""

from __future__ import annotations

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from quarterdeck.controller.configuration.errors import NoCluster


def tls_context(
    authority: bytes | None, certificate: tuple[bytes, bytes] | None, *, insecure: bool
) -> ssl.SSLContext:
    """Returns the context of connections. NoCluster if what it is made of is broken.

    Args:
        authority: PEM; None for the machine's own.
        certificate: ours and its key, in PEM.
    """
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    except (ssl.SSLError, ValueError) as error:
        raise NoCluster(f"no certificate in PEM: {error}", where="certificate-authority") from None
    # Authorities of clusters are often made without all that the strictest reading of X.509 asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _present(context, *certificate)
    return context


def _present(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Gives the context our certificate. OpenSSL takes files alone, so there are some for a moment."""
    with TemporaryDirectory(prefix="client-certificate-") as folder:
        files = Path(folder, "crt"), Path(folder, "key")
        for file, content in zip(files, (certificate, key), strict=True):
            file.touch(mode=0o600)
            file.write_bytes(content)
        try:
            # A password that is wrong: nobody is asked for the right one.
            context.load_cert_chain(*files, password="")
        except (ssl.SSLError, OSError) as error:
            said = f"certificate and key in PEM, without a password, are needed: {error}"
            raise NoCluster(said, where="client-certificate") from None
