"""Who we are, as the API server is told: a token, a name with a password, a certificate."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quarterdeck.controller.configuration.errors import NoCluster
from quarterdeck.controller.configuration.kubeconfig import Part

IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is told; nothing for a stranger.

    Attributes:
        authorization: the value of that header.
        certificate: of a client, with its key, in PEM.
    """

    authorization: str = ""
    certificate: tuple[bytes, bytes] | None = None


class Source(Protocol):
    """Where credentials come from. Asked on a thread, by one at a time."""

    def read(self, *, anew: bool) -> Credentials:
        """Returns what counts now. `anew`: the server did not trust the last ones.

        Raises:
            NoCluster: they cannot be had.
        """


@dataclass(slots=True)
class TokenFile:
    """A token in a file that somebody writes again, as for the account of a pod."""

    file: Path
    where: str
    last: str = ""

    def read(self, *, anew: bool) -> Credentials:
        """Reads the file again; the last token stands while that fails."""
        try:
            self.last = self.file.read_text(encoding="utf-8").strip() or self.last
        except (OSError, UnicodeDecodeError) as error:
            if not self.last:
                raise NoCluster(f"cannot be read: {error}", where=self.where) from None
        if not self.last:
            raise NoCluster("is empty", where=self.where)
        return Credentials(f"Bearer {self.last}")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a kubeconfig says itself; files that it names are read again."""

    user: Part

    def read(self, *, anew: bool) -> Credentials:
        """Reads the files again."""
        return Credentials(self._authorization(), certificate_of(self.user))

    def _authorization(self) -> str:
        token, name = self.user.text("token").strip(), self.user.text("username")
        if token:
            return f"Bearer {token}"
        if not name:
            return ""
        return "Basic " + base64.b64encode(f"{name}:{self.user.text('password')}".encode()).decode()


@dataclass(frozen=True, slots=True)
class WithCertificate:
    """Credentials of a source, and a certificate that the kubeconfig names beside it."""

    source: Source
    user: Part

    def read(self, *, anew: bool) -> Credentials:
        """Reads both again."""
        found = self.source.read(anew=anew)
        return Credentials(found.authorization, found.certificate or certificate_of(self.user))


def certificate_of(user: Part) -> tuple[bytes, bytes] | None:
    """Returns the certificate and the key that a user of a kubeconfig has."""
    certificate, key = user.bytes("client-certificate"), user.bytes("client-key")
    if (certificate is None) != (key is None):
        missing = "client-key" if key is None else "client-certificate"
        raise user.wrong(missing, "is missing: a certificate is of no use without its key, nor a key without")
    return None if certificate is None or key is None else (certificate, key)


def refuse_unknown(user: Part) -> None:
    """Raises NoCluster for what we do not know: without it we would be somebody else."""
    if "auth-provider" in user.content:
        raise user.wrong("auth-provider", "is no more; a plug-in (exec) does what it did")
    for field in IMPERSONATION:
        if user.content.get(field):
            raise user.wrong(field, "we speak for nobody else; use an account that may do this itself")
