"""The public test kit of this distribution: a server that speaks the providers' wire formats.

```python
async with WireServer() as server:
    server.reply(Reply(text="Hello."))
    provider = AnthropicProvider(Connection(api_key="test", base_url=server.anthropic_url))
    response = await provider.generate(ModelRequest((Message.user("Hi"),), model="any"))
```
"""

from quarterdeck.llm.testing.replies import Call, Fault, Reply
from quarterdeck.llm.testing.wire_server import Recorded, WireServer

__all__ = ["Call", "Fault", "Recorded", "Reply", "WireServer"]
