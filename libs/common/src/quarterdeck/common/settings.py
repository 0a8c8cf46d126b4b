"""Configuration that every service reads: environment variables `QD_…`, or a file named by `QD_ENV_FILE`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from quarterdeck.common.constants import SERVICES
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.common.transport.addresses import is_local

if TYPE_CHECKING:
    from quarterdeck.common.proofs.accounts import Accounts

# A unix socket's path must fit into the kernel's address structure.
MAX_SOCKET_PATH = 100


def _readable(allowed: tuple[str, ...]) -> tuple[str, ...]:
    Outbound.parse(allowed)
    return allowed


class PlatformSettings(BaseSettings):
    """Where things are. Adapters are chosen by URL; nothing else asks where it runs."""

    model_config = SettingsConfigDict(
        env_prefix="QD_", env_file=os.environ.get("QD_ENV_FILE"), extra="ignore"
    )

    data_dir: Path = Field(default=Path(".quarterdeck"), description="Directory of everything that is kept.")
    database_url: str = Field(
        default="",
        description="PostgreSQL for all services, a schema each; empty: SQLite in `data_dir`, a file each.",
    )
    access: Literal["local", "kubernetes"] = Field(
        default="local",
        description="Who may come in: the local administrator alone, or also whom the cluster's API server "
        "knows, by its roles. The gateway asks it; the others take the gateway's word.",
    )
    bus_url: str = "memory://"
    cache_url: str = "memory://"
    artifacts_url: str = Field(default="", description="Empty: a directory in `data_dir`.")
    keys_directory: Path | None = Field(
        default=None,
        description="Directory that all services share for their public keys; empty: `keys` in `data_dir`.",
    )
    own_keys_directory: Path | None = Field(
        default=None,
        description="This service's own folder of `keys_directory`, where that may only be read. Empty: the "
        "folder of its name in there.",
    )
    workload_tokens: Path | None = Field(
        default=None,
        description="Directory of tokens of this pod's Kubernetes account: a file for each service, named "
        "like it. Empty: services prove themselves by keys of their own.",
    )
    workload_keys: Path | None = Field(
        default=None, description="File of the public keys (JWKS) of who issues these tokens."
    )
    workload_accounts: dict[str, str] = Field(
        default_factory=dict, description="Services by names of accounts that are called otherwise, as JSON."
    )
    listen: str = Field(default="", description="This service's gRPC address; empty: its unix socket.")
    peers: dict[str, str] = Field(
        default_factory=dict, description="gRPC addresses of the other services as JSON; empty: unix sockets."
    )
    tls_directory: Path | None = Field(
        default=None,
        description="Directory of `tls.crt`, `tls.key` and `ca.crt`, for mutual TLS between services on TCP; "
        "`qd certs` makes them for development.",
    )
    plaintext: bool = Field(
        default=False,
        description="gRPC between services on TCP is not encrypted by them; for a mesh that does it.",
    )
    connection_age: float = Field(
        default=0.0,
        ge=0,
        description="Seconds after which this service asks a peer to connect anew, so that it finds replicas "
        "which came since; 0: never.",
    )
    outbound_allow: Annotated[tuple[str, ...], AfterValidator(_readable)] = Field(
        default=(),
        description="What users' URLs (remote tool servers, models, identity providers) may lead to although "
        "it is not on the internet: networks, addresses and hosts (`*.example.com`), as a JSON list. On a "
        "laptop also loopback.",
    )
    management_host: str = "127.0.0.1"
    management_port: int = Field(default=0, description="Port of /health and /metrics; 0: none of its own.")
    log_level: str = "info"
    log_format: str = Field(default="json", description="json, or console for people.")
    otlp_endpoint: str = Field(
        default="", description="OTLP/gRPC endpoint for traces; empty: traces stay local."
    )
    drain_timeout: float = Field(default=300.0, description="Seconds that effects in flight get on shutdown.")

    @model_validator(mode="after")
    def _tcp_is_encrypted(self) -> Self:
        addresses = filter(None, (self.listen, *self.peers.values()))
        open_ones = [address for address in addresses if not is_local(address)]
        if open_ones and self.tls_directory is None and not self.plaintext:
            raise ValueError(
                f"calls to {open_ones[0]} would not be encrypted: set QD_TLS_DIRECTORY to a directory with "
                "tls.crt, tls.key and ca.crt (`qd certs` makes it), or QD_PLAINTEXT=true for a mesh that does"
            )
        return self

    @model_validator(mode="after")
    def _tokens_have_keys(self) -> Self:
        if (self.workload_tokens is None) != (self.workload_keys is None):
            raise ValueError("QD_WORKLOAD_TOKENS and QD_WORKLOAD_KEYS go together: set both, or neither")
        return self

    def outbound(self) -> Outbound:
        """Returns where users' URLs may lead to. Without a cluster and on unix sockets this is a laptop."""
        laptop = self.access == "local" and not self.listen
        return Outbound.parse(self.outbound_allow, loopback=laptop)

    def database_for(self, service: str) -> str:
        """Returns the URL of a service's database; on a server, each has a schema of its own."""
        if self.database_url:
            return _with_schema(self.database_url, service.replace("-", "_"))
        return f"sqlite:///{self.data_dir.absolute() / f'{service}.db'}"

    def artifacts(self) -> str:
        """Returns the URL of the artifact store."""
        return self.artifacts_url or f"file://{self.data_dir.absolute() / 'artifacts'}"

    def keys_dir(self) -> Path:
        """Returns the directory of the services' public keys."""
        return (self.keys_directory or self.data_dir / "keys").absolute()

    def accounts(self) -> Accounts | None:
        """Returns where tokens of Kubernetes accounts lie; None where services prove themselves."""
        if self.workload_tokens is None or self.workload_keys is None:
            return None
        # Imported where there is a cluster: a laptop's cold start does without.
        from quarterdeck.common.proofs.accounts import Accounts

        return Accounts(self.workload_tokens, self.workload_keys, self.workload_accounts)

    def address_of(self, service: str) -> str:
        """Returns the gRPC target of a service, "unix:<path>" or "host:port"."""
        return self.peers.get(service) or f"unix:{self.sockets_dir() / service}.sock"

    def listen_address(self, service: str) -> str:
        """Returns the address on which `service` itself listens."""
        return self.listen or f"unix:{self.sockets_dir() / service}.sock"

    def sockets_dir(self) -> Path:
        """Returns the 0700 directory of the unix sockets, short enough for the kernel."""
        wanted = self.data_dir.absolute() / "run"
        longest = max(len(service) for service in SERVICES) + len("/.sock")
        if len(str(wanted)) + longest <= MAX_SOCKET_PATH:
            return wanted
        short = hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"qd-{os.getuid()}-{short}"


def _with_schema(url: str, schema: str) -> str:
    """Returns the URL of a schema of a PostgreSQL database, unless it names one."""
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgres") or "schema" in dict(parse_qsl(parts.query)):
        return url
    return parts._replace(query="&".join(filter(None, (parts.query, f"schema={schema}")))).geturl()


def make_private_directory(path: Path) -> None:
    """Makes `path` with mode 0700. Raises PermissionError if somebody else owns it or can enter it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = path.stat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    if status.st_mode & 0o077:
        path.chmod(0o700)
