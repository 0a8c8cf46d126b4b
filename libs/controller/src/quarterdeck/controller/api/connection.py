"""Where the API server is, how to trust it and who we are, all as the official client reads it.

Only its configuration is used: kubeconfig files with every way of authentication, the account of a pod, and
tokens that change while we run. It is imported on first use, on a thread.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import ssl
import time
from typing import Any

# A token is asked for again after so many seconds; the official client decides if it really changed.
TOKEN_SECONDS = 30.0


class Connection:
    """An address with credentials; made by `connect`.

    Attributes:
        host: as `https://10.0.0.1:443`, without a slash at the end.
        tls: None for plain HTTP.
    """

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        self._authorization: str | None = None
        self._asked_at = float("-inf")
        self.host = str(configuration.host).rstrip("/")
        self.server_name: str | None = configuration.tls_server_name or None
        self.proxy: str | None = configuration.proxy or None
        self.tls = _tls(configuration) if self.host.startswith("https") else None

    async def headers(self) -> dict[str, str]:
        """Returns the headers that say who we are; reads a token again when it may have changed."""
        if time.monotonic() - self._asked_at > TOKEN_SECONDS:
            await self.refresh()
        return {"Authorization": self._authorization} if self._authorization else {}

    async def refresh(self) -> None:
        """Reads the token again, now: the server did not trust the last one."""
        # On a thread: this may read a file or run a program that the kubeconfig names.
        self._authorization = await asyncio.to_thread(self._read)
        self._asked_at = time.monotonic()

    def _read(self) -> str | None:
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            return str(token).strip()
        if self._configuration.username:
            return str(self._configuration.get_basic_auth_token())
        return None


def _tls(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load(kubeconfig: str | None, context: str | None) -> Connection:
    # Any: the package says it is typed, and these functions are not.
    config: Any = importlib.import_module("kubernetes.config")
    configuration = importlib.import_module("kubernetes.client").Configuration()
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ
    # The package reads the variable once, when it is imported.
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG")
    if not kubeconfig and context is None and in_pod:
        config.load_incluster_config(client_configuration=configuration)
    else:
        config.load_kube_config(
            config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
        )
    return Connection(configuration)


async def connect(kubeconfig: str | None = None, context: str | None = None) -> Connection:
    """Finds the API server: the file given, `$KUBECONFIG`, the pod's account or `~/.kube/config`, in turn.

    Raises:
        kubernetes.config.ConfigException: none of these is there, or it cannot be read.
    """
    return await asyncio.to_thread(_load, kubeconfig, context)
