"""From a code that a browser brings back to who it is."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.common.errors import InvalidArgument, NotFound, Unauthenticated
from quarterdeck.common.identity import Principal
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.gateway.oidc.claims import peek
from quarterdeck.gateway.oidc.fetching import Form, answer_to, endpoint_of
from quarterdeck.gateway.oidc.providers import Provider
from quarterdeck.gateway.oidc.tokens import OidcTokens
from quarterdeck.gateway.sessions.beginning import Begun, Seal, address, begin


class SigningIn:
    """Sends browsers to a provider, and knows who comes back.

    Args:
        tokens: who knows whose a token is.
        seal: for what a browser takes along.
        outbound: which addresses of providers may be connected to.
    """

    def __init__(
        self, providers: Sequence[Provider], tokens: OidcTokens, seal: Seal, outbound: Outbound
    ) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._tokens = tokens
        self._seal = seal
        self._outbound = outbound

    async def begin(self, name: str, back: str, redirect: str) -> tuple[str, str]:
        """Returns where to send a browser, and what it takes along.

        Raises:
            NotFound: there is no such provider.
            Unavailable: it does not answer.
        """
        provider = self._provider(name)
        begun = begin(provider, back)
        endpoint = await endpoint_of(provider, "authorization_endpoint", self._outbound)
        return address(endpoint, provider, begun, redirect), self._seal.close(begun)

    async def finish(self, taken: str, state: str, code: str, redirect: str) -> tuple[Principal, str]:
        """Returns who it is, and the path to show.

        Raises:
            InvalidArgument: this browser began no sign-in, or another one, or too long ago.
            Unauthenticated: the provider does not say who it is.
            Unavailable: it does not answer.
        """
        begun = self._seal.open(taken)
        if begun is None or not state or begun.state != state:
            raise InvalidArgument(
                "this sign-in was not begun in this browser, or too long ago", hint="sign in again"
            )
        token = await self._token(begun, code, redirect)
        principal = await self._tokens.principal(token)
        said = peek(token)
        if principal is None or said is None or said[1].get("nonce") != begun.nonce:
            raise _nobody()
        return principal, begun.back

    async def _token(self, begun: Begun, code: str, redirect: str) -> str:
        provider = self._provider(begun.provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": provider.client,
            "code_verifier": begun.verifier,
        }
        url = await endpoint_of(provider, "token_endpoint", self._outbound)
        said = await answer_to(Form(form, _client(provider)), url, self._outbound)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise _nobody()
        return token

    def _provider(self, name: str) -> Provider:
        provider = self._providers.get(name)
        if provider is None:
            known = ", ".join(self._providers) or "there is none"
            raise NotFound("there is no such identity provider", field="provider", hint=f"known: {known}")
        return provider


def _client(provider: Provider) -> tuple[str, str] | None:
    """Returns what we prove to the provider who we are with, read each time so that it can be replaced."""
    path = provider.client_secret_file
    return (provider.client, path.read_text().strip()) if path is not None else None


def _nobody() -> Unauthenticated:
    return Unauthenticated("the identity provider does not say who you are", hint="sign in again")
