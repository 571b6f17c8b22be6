"""The rate limits of one model, kept in Redis for all workers that ask it."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from labeler.errors import InputError
from labeler.llm.protocol import Limits
from labeler.llm.rate_limits import BURST_SECONDS, KINDS, ROUNDING, Expected, corrections, costs, rate, windows

KEPT_SECONDS = 3600
"""How long limits that nobody asks about are remembered: much longer than a minute's debt takes to be paid off."""

CONNECTIONS = 8
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
AWAY_SECONDS = 5.0
"""How long a Redis that failed is left alone, so that calls do not wait for it one after the other."""

LUA = """
-- Token buckets; the same arithmetic as in labeler/llm/rate_limits.py.
-- KEYS[1]      a hash: of each window `<kind>.level`, `<kind>.at` and, where a provider told it, `<kind>.limit`
-- ARGV[1]      take, correct or learn
-- ARGV[2..4]   seconds of burst, what of a capacity is rounding, seconds until a hash that nobody uses is gone
-- ARGV[5..8]   the caller's own limit of each window, '' where it has none; it goes before what a provider told
-- ARGV[9..12]  take: the cost; correct: what goes back; learn: the limit, '' where it was not told
-- ARGV[13..16] learn: what is left, '' where it was not told
-- Returns the seconds to wait, as text for Redis cuts numbers to integers; 0 where a call was granted.
local kinds = {'requests', 'input_tokens', 'output_tokens', 'tokens'}
local what, burst, rounding = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')  -- the server's clock, for the callers' differ
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local function capacity(limit) return math.max(1, limit * burst / 60) end

local buckets, longest = {}, 0
for i, kind in ipairs(kinds) do
  local stored = redis.call('HMGET', KEYS[1], kind .. '.level', kind .. '.at', kind .. '.limit')
  local level, at, learned = tonumber(stored[1]), tonumber(stored[2]), tonumber(stored[3])
  local own, figure = tonumber(ARGV[4 + i]), tonumber(ARGV[8 + i])
  local limit = own or learned
  if limit and level then
    level = math.min(capacity(limit), level + limit / 60 * math.max(0, now - at))
  end
  if what == 'learn' and figure then
    redis.call('HSET', KEYS[1], kind .. '.limit', ARGV[8 + i])
    limit = own or figure
  end
  if limit then
    level = math.min(capacity(limit), level or capacity(limit))
    if what == 'take' then
      local short = math.min(figure, capacity(limit)) - level
      if short > rounding * capacity(limit) then longest = math.max(longest, short * 60 / limit) end
    elseif what == 'correct' then
      level = math.min(capacity(limit), level + figure)
    else
      level = math.min(level, tonumber(ARGV[12 + i]) or level)
    end
    buckets[kind] = {level, figure}
  end
end
for kind, bucket in pairs(buckets) do
  local level = bucket[1]
  if what == 'take' and longest == 0 then level = level - bucket[2] end
  redis.call('HSET', KEYS[1], kind .. '.level', string.format('%.17g', level), kind .. '.at', string.format('%.6f', now))
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return string.format('%.17g', longest)
"""

_CELERYS = re.compile(r"(ssl_cert_reqs=)CERT_(REQUIRED|OPTIONAL|NONE)\b")
"""What Celery, for which a broker's url is written, calls otherwise than Redis' own client."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class RedisLimiter:
    """The limits that all who pass the same ``identity`` share; belongs to one event loop.

    Where Redis does not answer, calls are granted and a warning is logged, once until it answers again. Nothing of a run
    depends on this limiter: money is kept in the database, and a provider that is asked too often says so, upon which
    fewer calls are made at once.
    """

    def __init__(
        self, url: str, identity: str, given: Limits | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``given`` are the user's limits; ``identity`` is only used hashed. Raises InputError for a malformed url."""
        self._key = f"labeler:limits:{hashlib.sha256(identity.encode()).hexdigest()}"
        self._own = [rate(window) for window in _in_order(windows(given))]
        self._clock = clock
        self._away_until = -float("inf")
        self._warned = False
        self._pool = _pool(url)
        self._script = redis.asyncio.Redis(connection_pool=self._pool).register_script(LUA)

    async def take(self, expected: Expected) -> float:
        """See ``Limiter``."""
        return await self._run("take", _in_order(costs(expected)))

    async def correct(self, expected: Expected, actual: Expected) -> None:
        """See ``Limiter``."""
        await self._run("correct", _in_order(corrections(expected, actual)))

    async def learn(self, limits: Limits) -> None:
        """See ``Limiter``."""
        told = _in_order(windows(limits))
        left = [None if window is None else window.remaining for window in told]
        await self._run("learn", [rate(window) for window in told], left)

    async def close(self) -> None:
        """Give back connections."""
        await self._pool.aclose()

    async def _run(self, what: str, *figures: Iterable[float | None]) -> float:
        if self._clock() < self._away_until:
            return 0.0
        numbers = [number for some in (self._own, *figures) for number in some]
        written = ["" if number is None else repr(float(number)) for number in numbers]
        try:
            seconds = await self._script(keys=[self._key], args=[what, BURST_SECONDS, ROUNDING, KEPT_SECONDS, *written])
        except Exception as error:  # whatever is wrong with that server, the work goes on
            self._away_until = self._clock() + AWAY_SECONDS
            if not self._warned:  # by its class alone: what it says may hold the url, and that a password
                log.warning("Redis gives no limits (%s): calls are made without, until it does", type(error).__name__)
            self._warned = True
            return 0.0
        self._warned = False
        return float(seconds)


def _pool(url: str) -> redis.asyncio.BlockingConnectionPool:
    try:
        pool: redis.asyncio.BlockingConnectionPool = redis.asyncio.BlockingConnectionPool.from_url(
            _CELERYS.sub(lambda found: found[1] + found[2].lower(), url),
            max_connections=CONNECTIONS,  # and blocking: the plain pool raises where all of them are in use
            timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a connection that the server closed meanwhile
        )
    except ValueError:  # it may repeat what stands in the url, a password too
        raise InputError("LABELER_BROKER_URL is not a url of Redis; write redis://host:port/number") from None
    return pool


def _in_order(figures: Mapping[str, T]) -> list[T | None]:
    return [figures.get(kind) for kind in KINDS]
