"""Which provider stands behind a route's target. Clients are made once per credential and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.llm.anthropic_provider import AnthropicProvider
from quarterdeck.llm.constants import ANTHROPIC, OPENAI, PLAYBOOK
from quarterdeck.llm.openai_provider import OpenAIProvider
from quarterdeck.llm.route import Credential, Target
from quarterdeck.llm.sdk import Connection
from quarterdeck.llm.types import Provider

SecretReader = Callable[[str, str], str | None]
"""From the name of a Secret and a key in it to the value, None when there is none."""

USUAL_ENV = {ANTHROPIC: "ANTHROPIC_API_KEY", OPENAI: "OPENAI_API_KEY"}


class ProviderSource(Protocol):
    """Where the router gets its providers from."""

    def find(self, target: Target) -> Provider | None:
        """The provider for a target; None when it is not configured here (no key)."""


class Providers:
    """Providers by credentials of the environment and of Secrets.

    `outbound` says where addresses that users name may lead to.

    `fixed` providers are used by name, whatever the target says otherwise; tests and the test kit use it.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        secrets: SecretReader | None = None,
        fixed: Mapping[str, Provider] | None = None,
        outbound: Outbound | None = None,
    ) -> None:
        self._env = env
        self._secrets = secrets
        self._fixed = dict(fixed or {})
        self._outbound = outbound
        self._made: dict[object, Provider] = {}

    def find(self, target: Target) -> Provider | None:
        """See `ProviderSource`. Raises `PlaybookInvalid` for a playbook that does not load."""
        if target.provider in self._fixed:
            return self._fixed[target.provider]
        if target.is_playbook:
            return self._playbook(target)
        key = self._key(target)
        # A server of one's own often needs no key.
        if not key and not (target.provider == OPENAI and target.base_url and target.credential is None):
            return None
        identity = (target.provider, key, target.base_url, target.headers)
        if identity not in self._made:
            self._made[identity] = _make(target, key, self._outbound)
        return self._made[identity]

    async def aclose(self) -> None:
        """Close what was made here."""
        for provider in self._made.values():
            await provider.aclose()
        self._made.clear()

    def _playbook(self, target: Target) -> Provider | None:
        from quarterdeck.llm.playbook import PlaybookProvider

        if not target.playbook:
            return None
        identity = (PLAYBOOK, target.playbook)
        if identity not in self._made:
            self._made[identity] = PlaybookProvider.from_text(target.playbook)
        return self._made[identity]

    def _key(self, target: Target) -> str:
        credential = target.credential or Credential(env=USUAL_ENV.get(target.provider, ""))
        if credential.env:
            return self._env.get(credential.env, "")
        if credential.secret_name and self._secrets is not None:
            return self._secrets(credential.secret_name, credential.secret_key) or ""
        return ""


def default_providers(env: Mapping[str, str], outbound: Outbound | None = None) -> Providers:
    """The providers of the embedded platform: Anthropic when `ANTHROPIC_API_KEY` is set, else the playbook.

    OpenAI-compatible ones are there when `OPENAI_API_KEY` is set or the target has an address of its own,
    which `outbound` allows.
    """
    return Providers(env, outbound=outbound)


def _make(target: Target, key: str, outbound: Outbound | None) -> Provider:
    connection = Connection(key, base_url=target.base_url, headers=target.headers, outbound=outbound)
    if target.provider == ANTHROPIC:
        return AnthropicProvider(connection)
    if target.provider == OPENAI:
        return OpenAIProvider(connection)
    raise ValueError(f"there is no provider named {target.provider!r}")
