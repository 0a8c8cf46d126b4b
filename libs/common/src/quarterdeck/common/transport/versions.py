"""Which versions of TLS gRPC speaks."""

from __future__ import annotations

import os

# gRPC's core offers TLS 1.2 as well, and has no option against it. Its ciphers for 1.2 can be named, though,
# and this one needs a key that nobody has agreed on, so 1.2 cannot be spoken. Those of 1.3 are not touched.
ONLY_TLS_1_3 = ("GRPC_SSL_CIPHER_SUITES", "ECDHE-PSK-AES128-CBC-SHA")


def speak_tls_1_3() -> None:
    """Keeps gRPC from older versions of TLS. To be called before gRPC is imported; the environment wins."""
    os.environ.setdefault(*ONLY_TLS_1_3)
