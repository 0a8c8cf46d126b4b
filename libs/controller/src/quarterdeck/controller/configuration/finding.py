"""Finds the API server: the file given, `$KUBECONFIG`, the account of a pod or `~/.kube/config`, in turn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from quarterdeck.controller.configuration import kubeconfig
from quarterdeck.controller.configuration.credentials import (
    Declared,
    Source,
    TokenFile,
    WithCertificate,
    refuse_unknown,
)
from quarterdeck.controller.configuration.errors import NoCluster
from quarterdeck.controller.configuration.kubeconfig import Part
from quarterdeck.controller.configuration.plugin import Plugin

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOME = Path("~/.kube/config")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an API server is, how to trust it and who we are there.

    Attributes:
        host: as `https://10.0.0.1:443`, without a slash at the end.
        authority: certificates in PEM that sign the server's; None for those of the machine.
        insecure: True if anybody may be the server.
        server_name: the name in its certificate; empty for that in `host`.
        proxy: the address of an HTTP proxy on the way; empty for none.
    """

    host: str
    source: Source
    authority: bytes | None = None
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""


def find(
    file: str | None = None,
    context: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    account: Path = ACCOUNT,
) -> Place:
    """Returns the place. Reads files and runs nothing.

    Args:
        file: a kubeconfig, or several as in `$KUBECONFIG`.
        context: of the kubeconfig; the current one by default.
        account: where a pod finds its account.

    Raises:
        NoCluster: there is none, or what is said of it is wrong.
    """
    named = file or environment.get("KUBECONFIG")
    if named:
        files = [Path(each).expanduser() for each in dict.fromkeys(named.split(os.pathsep)) if each]
        there = [each for each in files if each.exists()]
        if not there:
            raise NoCluster("no such file", where=named)
        return in_files(there, context)
    if context is None and environment.get("KUBERNETES_SERVICE_HOST"):
        return in_pod(environment, account)
    home = HOME.expanduser()
    if not home.exists():
        raise NoCluster(f"this is no pod, KUBECONFIG is not set, and there is no {home}")
    return in_files([home], context)


def in_pod(environment: Mapping[str, str], account: Path) -> Place:
    """Returns the API server of the cluster that this pod is in."""
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        authority = (account / "ca.crt").read_bytes()
    except OSError as error:
        said = f"the pod has no account: {error.strerror or error}"
        hint = "give it one, with automountServiceAccountToken: true"
        raise NoCluster(said, where=str(account / "ca.crt"), hint=hint) from None
    token = account / "token"
    address = f"[{host}]" if ":" in host else host
    return Place(f"https://{address}:{port}", TokenFile(token, str(token)), authority)


def in_files(files: list[Path], context: str | None) -> Place:
    """Returns what a context of kubeconfigs says."""
    absolute = [file.absolute() for file in files]
    current, parts = kubeconfig.merged([(file, kubeconfig.read(file)) for file in absolute])
    cluster, user = kubeconfig.chosen(current, parts, context)
    authority, insecure = (
        cluster.bytes("certificate-authority"),
        bool(cluster.content.get("insecure-skip-tls-verify")),
    )
    if authority is not None and insecure:
        raise cluster.wrong("insecure-skip-tls-verify", "stands beside a certificate-authority: choose one")
    return Place(
        _host(cluster),
        _source(user, cluster),
        authority,
        insecure,
        cluster.text("tls-server-name"),
        _proxy(cluster),
    )


def _host(cluster: Part) -> str:
    server = cluster.text("server").rstrip("/")
    if urlsplit(server).scheme not in {"http", "https"} or not urlsplit(server).hostname:
        raise cluster.wrong("server", f"{server!r} is no address like https://10.0.0.1:6443")
    return server


def _proxy(cluster: Part) -> str:
    proxy = cluster.text("proxy-url")
    if proxy and urlsplit(proxy).scheme != "http":
        raise cluster.wrong("proxy-url", f"{proxy!r}: only proxies at http:// are known")
    return proxy


def _source(user: Part, cluster: Part) -> Source:
    """As kubectl has it: a token file goes before a token, and both before a plug-in."""
    refuse_unknown(user)
    file = user.path("tokenFile")
    if file is not None:
        return WithCertificate(TokenFile(file, user.where("tokenFile")), user)
    if "exec" in user.content and not user.text("token") and not user.text("username"):
        return WithCertificate(Plugin(user, cluster), user)
    return Declared(user)
