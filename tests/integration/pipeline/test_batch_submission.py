"""Requests that travel in batches: killed at any step and taken up again, nothing is lost, sent twice or paid twice."""

import asyncio
import itertools

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.records import NewFeature, NewRun
from labeler.llm.errors import BusyError, OversizedError, RejectedError
from labeler.llm.protocol import BatchLine, BatchLook, PendingRequest, Reply, Usage
from labeler.pipeline import batch_submission as shipping
from labeler.pipeline.batch_submission import Shipping
from tests.integration.catalogue.building import labelled

N = 6


class Killed(BaseException):
    """The process ends here."""


class Post:
    """A provider of batches that are done at once, and a process that is killed at its k-th step."""

    name = "openai:m"
    batch_discount = 0.5

    def __init__(self, kill_at=0, lost=()):
        self.batches = {}
        self.kill_at = kill_at
        self.steps = 0
        self.lost = dict.fromkeys(lost, 1)
        """Questions that come to nothing, and how often."""
        self.billed = []

    def step(self):
        self.steps += 1
        if self.steps == self.kill_at:
            raise Killed

    async def submit(self, batch_id, bodies):
        self.step()
        provider_id = f"theirs-{len(self.batches)}"
        self.batches[provider_id] = (batch_id, dict(bodies), {})
        for custom_id, body in bodies.items():
            question = body["q"]
            if self.lost.get(question, 0) > 0:
                self.lost[question] -= 1
                self.batches[provider_id][2][custom_id] = BatchLine(custom_id=custom_id, reason="expired", again=True)
            else:
                self.billed.append(question)
                usage = Usage(input_tokens=10, output_tokens=5, usd=0.002)
                reply = Reply(text=f"answer to {question}", usage=usage)
                self.batches[provider_id][2][custom_id] = BatchLine(custom_id=custom_id, reply=reply)
        self.step()
        return provider_id

    async def find(self, batch_id, n_requests, since, known):
        self.step()
        found = [theirs for theirs, (ours, bodies, _) in self.batches.items() if ours == batch_id]
        assert all(len(self.batches[theirs][1]) == n_requests for theirs in found)
        return found[0] if found else None

    async def look(self, provider_id):
        self.step()
        return BatchLook(ended=True, n_requests=len(self.batches[provider_id][1]))

    async def results(self, provider_id):
        for line in self.batches[provider_id][2].values():
            self.step()
            yield line
        self.step()


class Clock:
    """Moves on by itself, past every lease."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        self.now += 1_000.0
        return self.now


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'labeler.db'}", clock=Clock())
    yield catalogue
    catalogue.close()


def key_of(index):
    return f"{index:02x}" * 32


def begin(catalogue, budget=None, n=N):
    made = [NewFeature(index=index, statistics={}) for index in range(n)]
    free = {"feature": 0.0, "call": 0.0}  # so that all are begun, whatever the budget
    config = {"labelling": {"mode": "batch"}, "expected_usd": {"label": free}}
    run_id = catalogue.create_run(NewRun(dictionary="d", config=config, features=made, budget_usd=budget))
    for claim in catalogue.claim(n, 60.0, 0.0):
        bound = Usage(input_tokens=100, output_tokens=50, usd=0.01)
        asked = PendingRequest(
            key=key_of(claim.index), backend="openai:m", prompt="p@1", body={"q": claim.index}, bound=bound
        )
        assert catalogue.park(claim, [asked])
    return run_id


def ship(catalogue, post, clock, steps=60):
    """Sees to whatever there is, a killed process followed by the next; features that are answered are done."""

    async def all_of_it():
        for _ in range(steps):
            for claim in catalogue.claim(N, 60.0, 0.0):
                catalogue.finish_label(claim, labelled(scored=False))
            try:
                if not await Shipping(catalogue, lambda name: post, clock=clock).step():
                    return
            except Killed:
                continue
        raise AssertionError("it does not end")

    asyncio.run(all_of_it())


def check(catalogue, run_id, post, n=N):
    keys = [key_of(index) for index in range(n)]
    found = catalogue.answers(keys)
    assert {key: one.reply.text for key, one in found.items()} == {
        key: f"answer to {index}" for index, key in enumerate(keys)
    }
    assert sorted(post.billed) == list(range(n))
    progress = catalogue.progress(run_id)
    assert (progress.calls, progress.pending, progress.unknown_calls) == (n, 0, 0)
    assert progress.usd == pytest.approx(0.002 * n)
    assert catalogue.run(run_id).committed_usd == pytest.approx(0.002 * n)
    assert catalogue.run(run_id).state == "finished"


def test_every_question_is_answered_once_at_the_price_of_batches(catalogue):
    run_id, post = begin(catalogue), Post()
    ship(catalogue, post, Clock())
    check(catalogue, run_id, post)
    assert len(post.batches) == 1


@pytest.mark.parametrize("kill_at", range(1, 14))
def test_a_kill_at_any_step_loses_and_doubles_nothing(catalogue, kill_at, monkeypatch):
    monkeypatch.setattr(shipping, "GROUP", 2)
    run_id, post = begin(catalogue), Post(kill_at)
    ship(catalogue, post, Clock())
    check(catalogue, run_id, post)
    assert len(post.batches) == 1


WRITES = ("reserve", "mark_batch", "settle", "fail_requests", "finish_batch")


@pytest.mark.parametrize(("method", "when"), itertools.product(WRITES, ("before", "after")))
def test_a_kill_around_any_write_loses_and_doubles_nothing(catalogue, method, when, monkeypatch):
    run_id, post = begin(catalogue), Post(lost=[2])
    original, killed = getattr(catalogue, method), []

    def once(*arguments, **options):
        if not killed and when == "before":
            killed.append(True)
            raise Killed
        result = original(*arguments, **options)
        if not killed:
            killed.append(True)
            raise Killed
        return result

    monkeypatch.setattr(catalogue, method, once)
    ship(catalogue, post, Clock())
    assert killed
    check(catalogue, run_id, post)


def test_what_expired_is_sent_again(catalogue):
    run_id, post = begin(catalogue), Post(lost=[0, 3, 5])
    ship(catalogue, post, Clock())
    check(catalogue, run_id, post)
    assert [len(bodies) for _, bodies, _ in post.batches.values()] == [6, 3]


def test_batches_are_no_larger_than_a_shard(catalogue, monkeypatch):
    monkeypatch.setattr(shipping, "SHARD", 4)
    run_id, post = begin(catalogue), Post()
    ship(catalogue, post, Clock())
    check(catalogue, run_id, post)
    assert [len(bodies) for _, bodies, _ in post.batches.values()] == [4, 2]


def test_a_batch_under_way_is_not_waited_for(catalogue):
    begin(catalogue)
    post, clock = Post(), Clock()

    async def busy(provider_id):
        return BatchLook(ended=False, n_requests=N)

    post.look = busy
    first = Shipping(catalogue, lambda name: post, clock=lambda: 5_000.0)
    assert asyncio.run(first.step())
    assert not asyncio.run(first.step())  # not due yet
    later = Shipping(catalogue, lambda name: post, clock=lambda: 5_003.0)
    assert asyncio.run(later.step())
    assert not asyncio.run(later.step())
    del post.look
    ship(catalogue, post, clock)
    assert len(post.batches) == 1


def test_a_budget_sends_what_it_has_room_for_and_stops_at_the_rest(catalogue):
    run_id, post = begin(catalogue, budget=0.0165), Post()
    ship(catalogue, post, Clock())
    record = catalogue.run(run_id)
    # A worst case is half of 1 ct: three fit; what they gave back lets two more go, and then one.
    check(catalogue, run_id, post)
    assert record.committed_usd <= 0.0165


def test_a_budget_without_room_for_one_pauses_the_run_and_more_money_lets_it_go_on(catalogue):
    run_id, post = begin(catalogue, budget=0.004), Post()
    ship(catalogue, post, Clock())
    record = catalogue.run(run_id)
    assert (record.state, record.committed_usd, post.billed) == ("paused", 0, [])
    assert "budget" in record.reason
    catalogue.resume(run_id, budget=1.0)
    ship(catalogue, post, Clock())
    check(catalogue, run_id, post)


def test_a_provider_without_batches_pauses_the_run_and_says_so(catalogue):
    run_id, post = begin(catalogue), Post()

    async def refuses(batch_id, bodies):
        raise RejectedError("openai:m: HTTP 404: no batches here")

    post.submit = refuses
    ship(catalogue, post, Clock())
    record = catalogue.run(run_id)
    assert (record.state, record.reason) == ("paused", "openai:m: HTTP 404: no batches here")
    assert record.committed_usd == 0
    assert catalogue.progress(run_id).pending == N


def test_a_provider_that_is_away_is_tried_again(catalogue):
    run_id, post = begin(catalogue), Post()
    submit, calls = post.submit, []

    async def away_once(batch_id, bodies):
        calls.append(batch_id)
        if len(calls) == 1:
            raise BusyError("openai:m: the server cannot be reached")
        return await submit(batch_id, bodies)

    post.submit = away_once
    ship(catalogue, post, Clock())
    check(catalogue, run_id, post)


def sent_by_a_killed_worker(catalogue):
    run_id, post = begin(catalogue), Post(kill_at=2)  # the batch is out, and nobody put that down
    with pytest.raises(Killed):
        asyncio.run(Shipping(catalogue, lambda name: post, clock=Clock()).step())
    return run_id, post


def test_a_batch_that_may_be_out_is_not_given_up_by_a_worker_that_is_refused(catalogue):
    run_id, post = sent_by_a_killed_worker(catalogue)
    find = post.find

    async def refused(*_):
        raise RejectedError("openai:m: HTTP 401")

    post.find, clock = refused, Clock()
    clock.now = 1e9
    assert asyncio.run(Shipping(catalogue, lambda name: post, clock=clock).step())
    record = catalogue.run(run_id)
    assert (record.state, record.reason) == ("paused", "openai:m: HTTP 401")
    assert record.committed_usd > 0
    post.find = find
    catalogue.resume(run_id)
    ship(catalogue, post, clock)
    check(catalogue, run_id, post)
    assert len(post.batches) == 1


def test_results_that_never_end_stop_the_run_and_are_not_read_again_at_once(catalogue):
    run_id, post = begin(catalogue), Post()
    look, clock = post.look, Clock()

    async def endless(*_):
        raise OversizedError("openai:m: the results never end")

    post.look = endless
    shipping = Shipping(catalogue, lambda name: post, clock=clock)
    assert asyncio.run(shipping.step())
    clock.now = 1e9
    assert asyncio.run(shipping.step())
    record = catalogue.run(run_id)
    assert (record.state, record.reason) == ("paused", "openai:m: the results never end")
    post.look = look
    catalogue.resume(run_id)
    ship(catalogue, post, clock)
    check(catalogue, run_id, post)


def test_of_a_cancelled_run_nothing_more_is_sent(catalogue):
    run_id, post = sent_by_a_killed_worker(catalogue)
    post.batches.clear()  # it never arrived
    post.billed.clear()
    catalogue.cancel(run_id)
    clock = Clock()
    clock.now = 1e9
    ship(catalogue, post, clock)
    assert post.batches == {}
    catalogue.resume(run_id)
    ship(catalogue, post, clock)
    check(catalogue, run_id, post)


def test_a_request_that_the_results_do_not_name_may_have_been_paid(catalogue):
    run_id, post = begin(catalogue), Post()
    results = post.results

    async def forgetful(provider_id):
        async for line in results(provider_id):
            if provider_id != "theirs-0" or not line.custom_id.endswith(key_of(3)[:32]):
                yield line

    post.results = forgetful
    ship(catalogue, post, Clock())
    progress = catalogue.progress(run_id)
    assert (progress.calls, progress.unknown_calls) == (N, 1)
    assert progress.unknown_usd == pytest.approx(0.005)
    assert len(post.billed) == N + 1
