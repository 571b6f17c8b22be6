"""Limits that several workers share through Redis."""

import asyncio
import logging
import multiprocessing
import random
import socket
import time

import pytest
import redis

from labeler.llm.concurrency import open_traffic
from labeler.llm.errors import BusyError
from labeler.llm.protocol import Limits, Reply, Usage, Window
from labeler.llm.rate_limits import BURST_SECONDS, Expected, LocalLimiter
from labeler.llm.rate_limits_redis import AWAY_SECONDS, KEPT_SECONDS, RedisLimiter

CALL = Expected()
A_MINUTE = 1200
SECONDS = 3.0


def of(left=None, **figures):
    return Limits(**{kind: Window(limit=limit, remaining=left) for kind, limit in figures.items()})


async def granted(limiter, expected=CALL, most=2000):
    """How many calls are granted at once."""
    for n in range(most):
        if await limiter.take(expected) > 0:
            return n
    return most


def work(url, given, results):
    """One worker: makes calls through its own traffic as fast as it may; tells when each was asked for and granted."""

    async def calls():
        found, until = [], time.time() + SECONDS
        traffic = open_traffic(given, url, "model")

        async def caller():
            while (asked := time.time()) < until:
                async with traffic.turn(Usage(input_tokens=10, output_tokens=10)) as turn:
                    found.append((asked, time.time()))
                    turn.heard(Reply(usage=Usage(input_tokens=1, output_tokens=1)))

        await asyncio.gather(*(caller() for _ in range(4)))
        await traffic.close()
        return found

    results.put(asyncio.run(calls()))


def in_four_processes(url, given):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=work, args=(url, given, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    return found


def check(found, burst):
    """Whoever shares a limit never has more of it, in any stretch of time, and gets what there is."""
    calls = sorted((at, asked) for one in found for asked, at in one)
    assert all(found)
    for first in range(len(calls)):
        began = float("inf")  # a grant was made at some moment between being asked for and being heard of
        for n, (at, asked) in enumerate(calls[first:], start=1):
            began = min(began, asked)
            assert n <= burst + A_MINUTE / 60 * (at - began) + 1e-3
    last, start = calls[-1][0], min(asked for _, asked in calls)
    assert len(calls) >= 0.9 * (burst + A_MINUTE / 60 * (last - start))


def test_four_processes_never_exceed_the_limit_that_they_share(redis_url):
    check(in_four_processes(redis_url, of(requests=A_MINUTE)), A_MINUTE * BURST_SECONDS / 60)


async def test_what_one_learns_holds_for_four_processes(redis_url):
    teacher = RedisLimiter(redis_url, "model", None)
    await teacher.learn(of(requests=A_MINUTE))
    await teacher.close()
    check(await asyncio.to_thread(in_four_processes, redis_url, None), A_MINUTE * BURST_SECONDS / 60)


@pytest.fixture
async def open_limiter(redis_url):
    opened = []

    def make(given=None, identity="model", **options):
        opened.append(RedisLimiter(options.pop("url", redis_url), identity, given, **options))
        return opened[-1]

    yield make
    for limiter in opened:
        await limiter.close()


@pytest.mark.parametrize("seed", range(5))
async def test_it_grants_what_the_limiter_of_one_process_grants(open_limiter, seed):
    draws = random.Random(seed)
    given = of(requests=draws.uniform(0.5, 3)) if seed % 2 else None
    shared, local = open_limiter(given), LocalLimiter(given)
    for _ in range(200):
        first, second = (Expected(draws.uniform(0, 0.3), draws.uniform(0, 0.3)) for _ in range(2))
        what = draws.choice(["take", "take", "take", "correct", "learn"])
        if what == "take":
            waits = await shared.take(first), await local.take(first)
            assert waits[0] == pytest.approx(waits[1], abs=0.3)
            if (waits[0] == 0) != (waits[1] == 0):  # asked in the very moment when there is enough
                return
        elif what == "correct":
            await shared.correct(first, second)
            await local.correct(first, second)
        else:
            kinds = draws.sample(["requests", "input_tokens", "output_tokens", "tokens"], 2)
            told = of(left=draws.choice([None, draws.uniform(0, 2)]), **{kind: draws.uniform(0.5, 3) for kind in kinds})
            await shared.learn(told)
            await local.learn(told)


async def test_all_or_nothing(open_limiter):
    limiter = open_limiter(of(requests=3, input_tokens=60))
    assert await limiter.take(Expected(5)) == 0
    assert await limiter.take(Expected(1)) == pytest.approx(20, abs=1)
    assert await open_limiter(of(input_tokens=60)).take(CALL) == 0


async def test_learned_limits_are_shared_and_users_own_go_before(open_limiter):
    one, other, own = open_limiter(), open_limiter(), open_limiter(of(requests=12))
    assert await granted(other, most=300) == 300
    await one.learn(of(requests=600))
    assert await granted(other) in range(50, 53)
    await one.learn(of(requests=6, left=0.0))
    assert await other.take(CALL) == pytest.approx(10, abs=1)
    assert await own.take(CALL) == pytest.approx(5, abs=1)


async def test_what_is_left_lowers_for_all(open_limiter):
    one, other = open_limiter(of(requests=12)), open_limiter(of(requests=12))
    await one.learn(of(requests=12, left=0.0))
    assert await other.take(CALL) == pytest.approx(5, abs=1)
    await one.learn(of(requests=12, left=12.0))
    assert await other.take(CALL) == pytest.approx(5, abs=1)


async def test_a_window_that_only_some_mind_comes_back_whoever_asks(open_limiter):
    minding, other = open_limiter(of(input_tokens=60_000)), open_limiter()
    assert await minding.take(Expected(5000)) == 0
    began = time.monotonic()
    while (wait := await minding.take(Expected(500))) > 0:
        assert time.monotonic() - began < 5
        await other.take(CALL)
        await asyncio.sleep(min(wait, 0.02))
    assert time.monotonic() - began < 1.5


async def test_models_have_limits_of_their_own(open_limiter):
    one, other = open_limiter(of(requests=12)), open_limiter(of(requests=12), "another")
    assert await granted(one) == 1
    assert await granted(other) == 1


async def test_nothing_of_the_identity_stands_in_redis_and_all_of_it_expires(open_limiter, redis_url):
    limiter = open_limiter(of(requests=60), "openai http://hunter2/v1 model")
    await limiter.learn(of(requests=60, tokens=900))
    await limiter.take(CALL)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        (key,) = client.keys()
        assert key.startswith("labeler:limits:")
        assert "hunter2" not in key + str(client.hgetall(key))
        assert KEPT_SECONDS - 5 <= client.ttl(key) <= KEPT_SECONDS


async def test_many_calls_at_once_wait_for_a_connection(open_limiter):
    limiter = open_limiter(of(input_tokens=1e9))
    waits = await asyncio.gather(*(limiter.take(Expected(1)) for _ in range(500)))
    assert waits == [0] * 500


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def test_a_redis_that_is_away_stops_nothing_and_is_told_once(open_limiter, caplog):
    clock = Clock()
    url = f"redis://user:hunter2@127.0.0.1:{closed_port()}/0"
    limiter = open_limiter(of(requests=1), url=url, clock=clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert await granted(limiter, most=20) == 20
            await limiter.correct(CALL, CALL)
            await limiter.learn(of(requests=5))
            clock.now += AWAY_SECONDS
    assert len(caplog.records) == 1
    assert "hunter2" not in caplog.text


async def test_a_redis_that_comes_back_is_gone_by_again(open_limiter, redis_url):
    clock = Clock()
    limiter = open_limiter(of(requests=12), clock=clock)
    assert await granted(limiter) == 1
    with redis.Redis.from_url(redis_url) as client:
        (key,) = client.keys()
        client.set(key, "no hash")  # every command on it fails
        assert await granted(limiter, most=50) == 50
        client.delete(key)
    assert await granted(limiter, most=50) == 50  # it is left alone for a while
    clock.now += AWAY_SECONDS
    assert await granted(limiter) == 1


async def test_a_script_that_redis_forgot_is_sent_again(open_limiter, redis_url):
    limiter = open_limiter(of(requests=12))
    assert await limiter.take(CALL) == 0
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    assert await limiter.take(CALL) > 0


async def test_a_provider_that_turns_calls_away_is_heard_of_by_all(redis_url):
    one, other = (open_traffic(None, redis_url, "model") for _ in range(2))
    async with one.turn(Usage()) as turn:
        turn.heard(BusyError("429", limits=of(requests=6, left=0.0)))
    assert await other._limiter.take(CALL) == pytest.approx(10, abs=1)
    await one.close()
    await other.close()
