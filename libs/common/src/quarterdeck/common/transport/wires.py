"""The ways between two services, for the side that listens and the side that calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import grpc

from quarterdeck.common.transport.addresses import is_local
from quarterdeck.common.transport.certificates import Certificates, Material
from quarterdeck.common.transport.channel import RenewingChannel

Options = Sequence[tuple[str, Any]]


class Wire(Protocol):
    """Opens ports and channels."""

    def listen(self, server: grpc.aio.Server, address: str) -> int:
        """Returns the port that the server listens on, 0 for a socket. Raises RuntimeError if it cannot."""

    def channel(self, service: str, address: str, options: Options) -> grpc.aio.Channel:
        """Returns a channel to a service."""


class Plain:
    """Bytes as they are: on unix sockets, and on TCP where a mesh, or nobody, encrypts them."""

    def listen(self, server: grpc.aio.Server, address: str) -> int:
        """See `Wire.listen`."""
        return server.add_insecure_port(address)

    def channel(self, service: str, address: str, options: Options) -> grpc.aio.Channel:
        """See `Wire.channel`."""
        return grpc.aio.insecure_channel(address, options=options)


class MutualTls:
    """TLS 1.3 in which both sides show a certificate of an authority that the other trusts.

    A server's certificate names its service. Both follow their files: a server at each handshake, a client
    with its next call.
    """

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates

    def listen(self, server: grpc.aio.Server, address: str) -> int:
        """See `Wire.listen`."""
        if is_local(address):
            return Plain().listen(server, address)
        credentials = grpc.dynamic_ssl_server_credentials(self._for_server(), self._for_server, True)
        return server.add_secure_port(address, credentials)

    def channel(self, service: str, address: str, options: Options) -> grpc.aio.Channel:
        """See `Wire.channel`."""
        if is_local(address):
            return Plain().channel(service, address, options)
        # Whatever the address is: replicas have none of their own that a certificate could name.
        named = (*options, ("grpc.ssl_target_name_override", service))

        def open_channel(with_: Material) -> grpc.aio.Channel:
            credentials = grpc.ssl_channel_credentials(with_.authorities, with_.key, with_.certificate)
            return grpc.aio.secure_channel(address, credentials, options=named)

        return RenewingChannel(lambda: self._certificates.material, open_channel)  # type: ignore[return-value]

    def _for_server(self) -> grpc.ServerCertificateConfiguration:
        now = self._certificates.material
        pairs = [(now.key, now.certificate)]
        return grpc.ssl_server_certificate_configuration(pairs, root_certificates=now.authorities)
