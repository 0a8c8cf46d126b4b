"""What is wrong with a part, as its health says it."""

import pytest

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.troubles import Troubles


def test_a_reason_that_two_things_share_is_said_once():
    troubles = Troubles("bus")
    troubles.note("sending", "the broker is away")
    troubles.note("receiving", "the broker is away")
    troubles.note("queue", "declared otherwise")
    with pytest.raises(Unavailable) as caught:
        troubles.check()
    assert caught.value.message == "the broker is away; declared otherwise"
    for about in ("sending", "receiving", "queue"):
        troubles.clear(about)
    troubles.check()
