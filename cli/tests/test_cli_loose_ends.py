"""A lookup of a name that nobody waits for any more is no news; everything else is."""

import asyncio
import gc

import pytest

from quarterdeck.cli.process import run_loop


async def abandoned():
    """Gives a connection up while its name is looked up; the lookup fails afterwards."""
    loop = asyncio.get_running_loop()
    connecting = asyncio.ensure_future(loop.create_connection(asyncio.Protocol, "no-such-name.invalid", 1))
    for _ in range(2):
        await asyncio.sleep(0)
    assert connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    # Behind it in the same queue, so that one is over, too.
    for _ in range(5):
        with pytest.raises(OSError):
            await loop.getaddrinfo("no-such-name.invalid", 1)
    gc.collect()


async def forgotten():
    asyncio.get_running_loop().create_future().set_exception(ValueError("mine"))
    gc.collect()


@pytest.mark.parametrize(("what", "said"), [(abandoned, False), (forgotten, True)])
def test_only_an_abandoned_lookup_is_passed_over(what, said, caplog):
    run_loop(what())
    assert ("never retrieved" in caplog.text) is said
