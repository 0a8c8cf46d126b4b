"""Allowances that all processes share: one script in Redis, by Redis' clock, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from quarterdeck.common.rates.allowance import WINDOW, Allowance, Taken, taken
from quarterdeck.common.rates.local import LocalBuckets

PREFIX = "qd:rate:"
# KEYS: buckets. ARGV: the window, then the step of each. Answers whether, then the lag of each.
# A lag is never taken for longer than the window: the server's clock may have been set back.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[1])
local granted, lags = 1, {}
for i, key in ipairs(KEYS) do
  local full_at = tonumber(redis.call('GET', key)) or now
  lags[i] = math.min(math.max(full_at - now, 0), window)
  if lags[i] + tonumber(ARGV[i + 1]) > window then granted = 0 end
end
if granted == 1 then
  for i, key in ipairs(KEYS) do
    lags[i] = lags[i] + tonumber(ARGV[i + 1])
    redis.call('SET', key, string.format('%.0f', now + lags[i]), 'PX', math.ceil(lags[i] / 1000))
  end
end
return {granted, unpack(lags)}
"""


class ScriptRunner(Protocol):
    """Runs a script on a server that others share."""

    async def run_script(self, script: str, keys: Sequence[str], args: Sequence[int]) -> list[int] | None:
        """Returns its numbers; None if there is no server, or it does not answer in time."""


class SharedBuckets:
    """Buckets on the cache's server; while there is none, those of this process."""

    def __init__(self, runner: ScriptRunner, local: LocalBuckets | None = None) -> None:
        self._runner = runner
        self._local = local or LocalBuckets()

    async def take(self, allowances: Sequence[Allowance]) -> Taken:
        """Takes one of each, or none. Never raises: a cache that is away stops nobody, and frees nobody."""
        if not allowances:
            return Taken(True, ())
        keys = [PREFIX + one.key for one in allowances]
        answer = await self._runner.run_script(SCRIPT, keys, [WINDOW, *(one.step for one in allowances)])
        if answer is None:
            return self._local.take(allowances)
        return taken(bool(answer[0]), answer[1:], allowances)
