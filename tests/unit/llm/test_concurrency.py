"""How many calls to one model are made at once, and when."""

import asyncio
import contextlib
import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.errors import InputError
from labeler.llm.concurrency import CEILING, LONGEST_PAUSE_SECONDS, START, Concurrency, Shares, Traffic, open_traffic
from labeler.llm.errors import BusyError, MalformedError, RejectedError, TimedOutError
from labeler.llm.protocol import Limits, Reply, Usage, Window
from labeler.llm.rate_limits import Expected, LocalLimiter
from labeler.llm.rate_limits_redis import RedisLimiter

BOUND = Usage(input_tokens=1000, output_tokens=500)
REPLY = Reply(text="yes", usage=Usage(input_tokens=250, output_tokens=100))


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Told:
    """A limiter that lets everything through, or as told, and remembers what it hears."""

    def __init__(self, *waits):
        self.waits = list(waits)
        self.taken, self.heard = [], []
        self.closed = False

    async def take(self, expected):
        self.taken.append(expected)
        return self.waits.pop(0) if self.waits else 0.0

    async def correct(self, expected, actual):
        self.heard.append((expected, actual))

    async def learn(self, limits):
        self.heard.append(limits)

    async def close(self):
        self.closed = True


def traffic(limiter=None, time=None):
    time = time or Time()
    return Traffic(limiter or Told(), clock=time, sleep=time.sleep)


async def settle():
    """Until everybody waits for somebody else: the line moves by one call a step or two."""
    for _ in range(1000):
        await asyncio.sleep(0)


class Calls:
    """Calls that go on until they are told what came of them."""

    def __init__(self, traffic):
        self.traffic = traffic
        self.turns = []
        self.tasks = []

    async def start(self, n):
        self.tasks += [asyncio.create_task(self._call()) for _ in range(n)]
        await settle()

    async def _call(self):
        async with self.traffic.turn(BOUND) as turn:
            ended = asyncio.Event()
            self.turns.append((turn, ended))
            await ended.wait()

    async def end(self, *found):
        """The oldest calls end, with these outcomes."""
        for outcome in found:
            turn, ended = self.turns.pop(0)
            turn.heard(outcome)
            ended.set()
        await settle()

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def calls():
    made = Calls(traffic())
    yield made
    await made.stop()
    assert made.traffic.concurrency.held == 0


async def test_it_begins_with_8_and_doubles_in_the_time_of_a_call(calls):
    await calls.start(200)
    for expected in (8, 16, 32, 64):
        assert len(calls.turns) == expected
        await calls.end(*[REPLY] * (expected if expected < 64 else 0))


LIMITED = BusyError("429", retry_after=0.0)
OVERLOADED = BusyError("529")


async def test_a_provider_that_asks_to_wait_halves_it(calls):
    await calls.start(100)
    await calls.end(LIMITED)
    assert calls.traffic.concurrency.limit == 4
    await calls.end(*[REPLY] * 3)
    assert len(calls.turns) == 4  # the rest of the first 8, nobody new
    await calls.end(REPLY)
    assert len(calls.turns) == 4


async def test_a_provider_that_turns_many_away_halves_it(calls):
    await calls.start(100)
    await calls.end(OVERLOADED, OVERLOADED)
    assert calls.traffic.concurrency.limit == 8
    await calls.end(OVERLOADED)
    assert calls.traffic.concurrency.limit == 4


@pytest.mark.parametrize("error", [LIMITED, OVERLOADED])
async def test_all_that_were_under_way_together_count_as_one_back_off(calls, error):
    await calls.start(100)
    await calls.end(*[error] * 5, REPLY, REPLY, error)
    assert calls.traffic.concurrency.limit == 4
    await calls.end(*[error] * 4)
    assert calls.traffic.concurrency.limit == 2


async def test_after_a_back_off_as_many_answers_as_calls_add_one(calls):
    await calls.start(200)
    await calls.end(*[LIMITED] * 8)
    for expected in (4, 4, 5, 6, 7):
        assert len(calls.turns) == expected
        await calls.end(*[REPLY] * expected)


async def test_it_never_falls_below_one(calls):
    await calls.start(50)
    for _ in range(20):
        await calls.end(*[LIMITED] * len(calls.turns))
    assert calls.traffic.concurrency.limit == 1
    assert len(calls.turns) == 1


def usual(share, most, seconds=300):
    """How many calls are answered a second that take one, where so many fail anyhow and a server bears so many."""
    concurrency, under_way, now, answered, draws = Concurrency(), [], 0.0, 0, random.Random(0)
    while now < seconds:
        while concurrency.held < int(concurrency.limit):
            concurrency.held += 1
            away = draws.random() < share or len(under_way) >= most
            heapq.heappush(
                under_way, (now + (0.1 if away else draws.uniform(0.5, 1.5)), draws.random(), concurrency.round, away)
            )
        now, _, began, away = heapq.heappop(under_way)
        if away:
            concurrency.turned_away(began, told_to_wait=False)
        else:
            concurrency.answered(began)
            answered += 1
        concurrency.release()
    return answered / seconds


@pytest.mark.parametrize("share", [0, 0.01, 0.05])
def test_failures_now_and_then_do_not_slow_the_work(share):
    assert usual(share, most=10**6) > 0.8 * CEILING


@pytest.mark.parametrize("most", [3, 20, 64])
@pytest.mark.parametrize("share", [0, 0.02])
def test_it_finds_what_a_server_bears(share, most):
    assert 0.6 * most < usual(share, most) <= most


async def test_it_never_climbs_above_256(calls):
    await calls.start(1200)
    for _ in range(6):
        await calls.end(*[REPLY] * len(calls.turns))
    assert len(calls.turns) == CEILING == calls.traffic.concurrency.limit


async def test_it_does_not_climb_where_it_is_not_the_bound(calls):
    for _ in range(100):
        await calls.start(3)
        await calls.end(*[REPLY] * 3)
    assert calls.traffic.concurrency.limit == START


@pytest.mark.parametrize("error", [TimedOutError("late"), RejectedError("no"), MalformedError("a page"), OSError()])
async def test_other_errors_neither_add_nor_take(calls, error):
    await calls.start(100)
    await calls.end(*[error] * 8)
    assert calls.traffic.concurrency.limit == START
    assert len(calls.turns) == START


async def test_slots_come_back_from_calls_that_are_cancelled(calls):
    await calls.start(30)
    under_way, in_line = calls.tasks[:5], calls.tasks[8:20]
    for task in (*under_way, *in_line):
        task.cancel()
    await settle()
    assert all(task.cancelled() for task in (*under_way, *in_line))
    assert calls.traffic.concurrency.held == START
    assert len(calls.turns) == START + 5


async def test_a_slot_comes_back_from_a_call_that_raises():
    one = traffic()
    with pytest.raises(KeyError):
        async with one.turn(BOUND):
            raise KeyError
    assert one.concurrency.held == 0


async def test_a_call_that_is_cancelled_while_it_waits_for_the_limits_gives_its_slot_back():
    limits = Limits(requests=Window(limit=1))
    one = Traffic(LocalLimiter(limits))
    async with one.turn(BOUND):
        waiting = asyncio.create_task(one.turn(BOUND).__aenter__())
        await settle()
        assert one.concurrency.held == 2
        waiting.cancel()
        await settle()
        assert one.concurrency.held == 1


@given(st.lists(st.sampled_from(["start", "answered", "turned away", "told to wait", "lost"]), max_size=300))
def test_there_are_never_more_calls_than_slots_given_out(events):
    concurrency, under_way = Concurrency(), []
    for event in events:
        if event == "start" and concurrency.held < int(concurrency.limit):
            asyncio.run(concurrency.acquire())
            under_way.append(concurrency.round)
        elif event != "start" and under_way:
            began = under_way.pop(0)
            if event == "answered":
                concurrency.answered(began)
            elif event != "lost":
                concurrency.turned_away(began, told_to_wait=event == "told to wait")
            concurrency.release()
        assert concurrency.held == len(under_way)
        assert 1 <= concurrency.limit <= CEILING


async def test_calls_go_in_the_order_they_came():
    time, order = Time(), []
    one = traffic(LocalLimiter(Limits(requests=Window(limit=60)), time), time)

    async def call(n):
        async with one.turn(BOUND):
            order.append(n)

    await asyncio.gather(*(call(n) for n in range(30)))
    assert order == list(range(30))
    assert time.now == pytest.approx(25, abs=0.1)  # a burst of 5, then one a second


async def test_a_call_waits_as_long_as_the_limiter_says_and_asks_again():
    time, limiter = Time(), Told(3.0, 0.5)
    async with traffic(limiter, time).turn(BOUND):
        assert time.slept == [3.0, 0.5]
        assert len(limiter.taken) == 3


async def test_a_long_wait_is_looked_at_again_and_a_tiny_one_is_no_busy_loop():
    time = Time()
    async with traffic(Told(400.0, 1e-12), time).turn(BOUND):
        assert time.slept[0] <= 10
        assert time.slept[1] >= 0.001


async def test_when_a_provider_asks_to_wait_all_do():
    time = Time()
    one = traffic(time=time)
    async with one.turn(BOUND) as turn:
        turn.heard(BusyError("429", retry_after=7.0))
    async with one.turn(BOUND), one.turn(BOUND):
        assert time.now == 7


async def test_a_shorter_wait_does_not_end_a_longer_one():
    time = Time()
    one = traffic(time=time)
    async with one.turn(BOUND) as first, one.turn(BOUND) as second:
        first.heard(BusyError("429", retry_after=7.0))
        second.heard(BusyError("429", retry_after=1.0))
    async with one.turn(BOUND):
        assert time.now == 7


async def test_nobody_waits_for_ever_because_a_provider_says_so():
    time = Time()
    one = traffic(time=time)
    async with one.turn(BOUND) as turn:
        turn.heard(BusyError("429", retry_after=1e9))
    async with one.turn(BOUND):
        assert time.now == pytest.approx(LONGEST_PAUSE_SECONDS)


async def test_tokens_are_corrected_by_what_was_used_and_then_limits_are_learned():
    limiter = Told()
    limits = Limits(requests=Window(limit=9))
    async with traffic(limiter).turn(BOUND) as turn:
        turn.heard(Reply(usage=Usage(input_tokens=250, output_tokens=100), limits=limits))
    assert limiter.heard == [(Expected(300, 500), Expected(250, 100)), limits]
    assert limiter.taken == [Expected(300, 500)]


async def test_errors_teach_limits_and_tell_what_was_used():
    limiter = Told()
    one, limits = traffic(limiter), Limits(requests=Window(limit=9))
    with contextlib.suppress(BusyError):
        async with one.turn(BOUND) as turn:
            error = BusyError("429", limits=limits)
            turn.heard(error)
            raise error
    async with one.turn(BOUND) as turn:
        turn.heard(MalformedError("no JSON", usage=Usage(input_tokens=10, output_tokens=20)))
    assert limiter.heard == [limits, (Expected(300, 500), Expected(10, 20))]


@pytest.mark.parametrize(
    "found", [None, Reply(), BusyError("lost", maybe_billed=True), TimedOutError("late"), OSError()]
)
async def test_a_call_of_which_nobody_says_what_it_took_stays_charged(found):
    limiter = Told()
    async with traffic(limiter).turn(BOUND) as turn:
        if found is not None:
            turn.heard(found)
    assert limiter.heard == []


async def test_a_server_that_claims_more_than_the_worst_case_does_not_close_the_way():
    limiter = Told()
    async with traffic(limiter).turn(BOUND) as turn:
        turn.heard(Reply(usage=Usage(input_tokens=10**12, output_tokens=10**12)))
    assert limiter.heard == [(Expected(300, 500), Expected(1000, 500))]


def test_what_is_expected_of_calls_follows_what_they_took():
    shares = Shares()
    assert shares.of(BOUND) == Expected(300, 500)
    draws = random.Random(0)
    for _ in range(300):
        shares.heard(BOUND, Expected(draws.uniform(200, 300), draws.uniform(0, 100)))
    assert shares.of(BOUND).input_tokens == pytest.approx(250, abs=25)
    assert shares.of(BOUND).output_tokens == pytest.approx(50, abs=25)
    shares.heard(Usage(), Expected(1, 1))  # of no worst case there is no share
    assert shares.of(Usage()) == Expected(0, 0)


async def test_most_of_a_limit_is_used_though_worst_cases_are_four_times_what_is_taken():
    time = Time()
    limits = Limits(input_tokens=Window(limit=60_000), output_tokens=Window(limit=30_000))
    one, n = traffic(LocalLimiter(limits, time), time), 1000
    for _ in range(n):
        async with one.turn(BOUND) as turn:
            turn.heard(REPLY)
    assert 0.95 <= n * REPLY.usage.input_tokens / (60_000 * time.now / 60) <= 1.05


async def test_limits_of_a_reply_hold_back_the_next_calls():
    time = Time()
    one = traffic(LocalLimiter(None, time), time)
    async with one.turn(BOUND) as turn:
        turn.heard(Reply(limits=Limits(requests=Window(limit=60, remaining=0))))
    async with one.turn(BOUND):
        assert time.now == pytest.approx(1)


async def test_limits_are_shared_through_redis_only_where_there_is_one():
    limiter = Told()
    await traffic(limiter).close()
    assert limiter.closed
    for url, kind in [
        (None, LocalLimiter),
        ("memory://", LocalLimiter),
        ("amqp://127.0.0.1", LocalLimiter),
        ("redis://127.0.0.1:1/0", RedisLimiter),
        ("rediss://127.0.0.1:1/0?ssl_cert_reqs=CERT_NONE", RedisLimiter),
    ]:
        opened = open_traffic(None, url, "identity")
        assert isinstance(opened._limiter, kind)
        await opened.close()


def test_a_malformed_url_is_refused_without_its_password():
    with pytest.raises(InputError, match="LABELER_BROKER_URL") as caught:
        open_traffic(None, "redis://user:hunter2/x@127.0.0.1", "identity")
    assert "hunter2" not in str(caught.value)


async def test_users_limits_hold_without_redis():
    opened = open_traffic(Limits(requests=Window(limit=60)), None, "identity")
    waits = [await opened._limiter.take(Expected()) for _ in range(6)]
    assert waits[:5] == [0] * 5
    assert waits[5] > 0
