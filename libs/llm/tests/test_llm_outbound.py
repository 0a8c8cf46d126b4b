"""A model's address that users name leads where it may, and nowhere else."""

import pytest

from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.llm.errors import ProviderUnavailable
from quarterdeck.llm.providers import default_providers
from quarterdeck.llm.route import Target
from quarterdeck.llm.testing import Reply, WireServer
from quarterdeck.llm.types import Message, ModelRequest

REQUEST = ModelRequest((Message.user("hello"),), model="m")
ENV = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "b"}


@pytest.mark.parametrize("name", ["openai", "anthropic"])
@pytest.mark.parametrize("loopback", [True, False])
async def test_where_it_leads(name: str, loopback: bool) -> None:
    async with WireServer(lambda _request: Reply(text="ok")) as server:
        providers = default_providers(ENV, Outbound.parse((), loopback=loopback))
        provider = providers.find(Target(name, "m", base_url=getattr(server, f"{name}_url")))
        assert provider is not None
        if loopback:
            assert "ok" in str(await provider.generate(REQUEST))
        else:
            with pytest.raises(ProviderUnavailable, match="no address that may be reached"):
                await provider.generate(REQUEST)
        assert bool(server.requests) is loopback
        await providers.aclose()
