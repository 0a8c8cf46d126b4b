"""An embedding's address that users name leads where it may, and nowhere else."""

import pytest

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.memory.embedding import openai
from quarterdeck.memory.embedding.providers import ProviderChoice, make_provider


async def test_an_address_inside_is_not_asked(monkeypatch):
    monkeypatch.setattr(openai, "RETRIES", 0)
    choice = ProviderChoice(openai.NAME, "m", 3, base_url="http://169.254.169.254/v1")
    provider = make_provider(choice, {"OPENAI_API_KEY": "x"}, Outbound())
    with pytest.raises(Unavailable) as caught:
        await provider.embed(["a text"])
    assert "no address that may be reached" in str(caught.value.__cause__.__cause__)
