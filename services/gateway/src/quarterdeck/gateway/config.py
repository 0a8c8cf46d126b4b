"""Settings of the gateway: environment variables `QD_GATEWAY_…`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from quarterdeck.common.constants import DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT
from quarterdeck.common.secrets.vault import Place, VaultSecrets
from quarterdeck.gateway.constants import (
    BODY_SECONDS,
    DEFAULT_BODY_LIMIT,
    FAILURES_PER_MINUTE,
    HEARTBEAT_SECONDS,
    IDEMPOTENCY_TTL,
    PAYLOAD_HEADERS,
    REAUTHORIZE_SECONDS,
    REQUESTS_PER_MINUTE,
    SESSION_SECONDS,
    TENANT_REQUESTS_PER_MINUTE,
    WEBHOOK_TOLERANCE,
)
from quarterdeck.gateway.edges.addresses import Network
from quarterdeck.gateway.edges.origins import is_origin
from quarterdeck.gateway.oidc.providers import Provider, check_all, check_origin, is_loopback


def _vault_place(url: str) -> str:
    if url:
        Place.parse(url)
    return url


def _origins(given: tuple[str, ...]) -> tuple[str, ...]:
    for one in given:
        if not is_origin(one):
            raise ValueError(f"{one!r} is no origin, such as https://console.example")
    return given


class GatewaySettings(BaseSettings):
    """Where the door is and how wide it opens."""

    model_config = SettingsConfigDict(env_prefix="QD_GATEWAY_", extra="ignore")

    host: str = Field(default="127.0.0.1", description="Address that REST and gRPC listen on.")
    http_port: int = Field(default=DEFAULT_HTTP_PORT, ge=0, le=65535, description="0: any free port.")
    grpc_port: int = Field(default=DEFAULT_GRPC_PORT, ge=0, le=65535, description="0: any free port.")
    token_audience: str = Field(
        default="quarterdeck",
        min_length=1,
        description="Audience of the Kubernetes tokens that are let in, where QD_ACCESS is kubernetes.",
    )
    platform_admins: tuple[str, ...] = Field(
        default=(),
        description="Who holds the role platform-admin, where QD_ACCESS is local: names of principals, "
        'and of groups as "group:<name>".',
    )
    identity_providers: Annotated[tuple[Provider, ...], AfterValidator(check_all)] = Field(
        default=(),
        description="Identity providers whose tokens are let in, as a JSON list of objects: name, issuer, "
        "audience, and maybe subject_claim, groups_claim, tenant, client_id, client_secret_file, scopes.",
    )
    public_url: Annotated[str, AfterValidator(check_origin)] = Field(
        default="",
        description="Where browsers find this gateway, such as https://quarterdeck.example.com: they come "
        "back there from a sign-in. Empty: nobody signs in by a browser, but on this machine.",
    )
    session_seconds: float = Field(
        default=SESSION_SECONDS, gt=0, description="Seconds from a browser's sign-in to the next."
    )
    keys_secret_file: Path | None = Field(
        default=None,
        description="File of the secret under which API keys are kept, the same for all gateways; empty: "
        "`api-keys-secret` in the data directory.",
    )
    requests_per_minute: int = Field(
        default=REQUESTS_PER_MINUTE,
        ge=0,
        le=1_000_000,
        description="Requests a minute of one principal; 0: any number. The local administrator's are not "
        "counted.",
    )
    tenant_requests_per_minute: int = Field(
        default=TENANT_REQUESTS_PER_MINUTE,
        ge=0,
        le=1_000_000,
        description="Requests a minute of all principals in one tenant; 0: any number.",
    )
    failures_per_minute: int = Field(
        default=FAILURES_PER_MINUTE,
        ge=0,
        le=1_000_000,
        description="Bad credentials a minute from one address that are looked at; 0: any number. Not "
        "counted while the gateway listens on loopback.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        description="Networks of proxies whose X-Forwarded-For is believed, as a JSON list.",
    )
    cors_origins: Annotated[tuple[str, ...], AfterValidator(_origins)] = Field(
        default=(),
        description="Sites whose pages may call this one, as a JSON list of origins such as "
        "https://console.example; none by default.",
    )
    body_seconds: float = Field(
        default=BODY_SECONDS, gt=0, description="Seconds that a request's body may take to come."
    )
    max_body_bytes: int = Field(default=DEFAULT_BODY_LIMIT, gt=0, description="Largest request body.")
    heartbeat: float = Field(default=HEARTBEAT_SECONDS, gt=0, description="Seconds between SSE comments.")
    reauthorize: float = Field(
        default=REAUTHORIZE_SECONDS,
        gt=0,
        description="Seconds between two looks at whether the reader of an open stream may still read it.",
    )
    idempotency_ttl: float = Field(
        default=IDEMPOTENCY_TTL, gt=0, description="Seconds that a key is remembered."
    )
    access_log: Literal["all", "changes", "none"] = Field(
        default="all", description='Which requests are logged; "changes" leaves out successful reads.'
    )
    webhook_tolerance: float = Field(
        default=WEBHOOK_TOLERANCE, gt=0, description="Seconds that a webhook's clock may be off."
    )
    payload_headers: tuple[str, ...] = Field(
        default=PAYLOAD_HEADERS, description="Request headers that a trigger's payload shows."
    )
    secrets_dir: Path | None = Field(
        default=None, description="Directory of secret files; empty: `secrets` in the data directory."
    )

    secrets_url: Annotated[str, AfterValidator(_vault_place)] = Field(
        default="",
        description="Vault that webhooks' secrets are read from, as vault+https://host:8200/mount/prefix (KV "
        "version 2); empty: from `secrets_dir`.",
    )
    vault_token_file: Path | None = Field(default=None, description="File of the token for that Vault.")

    @model_validator(mode="after")
    def _vault_has_a_token(self) -> Self:
        if bool(self.secrets_url) != bool(self.vault_token_file):
            raise ValueError("set QD_GATEWAY_SECRETS_URL and QD_GATEWAY_VAULT_TOKEN_FILE together")
        return self

    def vault(self) -> VaultSecrets | None:
        """Returns what reads secrets from Vault; None if there is none."""
        if not self.secrets_url or self.vault_token_file is None:
            return None
        return VaultSecrets(Place.parse(self.secrets_url), self.vault_token_file)

    console_dir: Path | None = Field(
        default=None, description="Directory of the built console; empty: `web/dist` of the repository."
    )

    @property
    def on_loopback(self) -> bool:
        """True while nobody outside this machine can connect."""
        return is_loopback(self.host)
