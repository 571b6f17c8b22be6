"""Batches under a clock that stands still until it is moved."""

import pytest

from eval.provider.asked import read
from eval.provider.batches import Batch, Line
from eval.provider.billing import Ledger
from eval.provider.knobs import Knobs
from eval.provider.world import World


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def body(text, **others):
    return {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **others}


@pytest.fixture
def clock():
    return Clock()


def submitted(world, n=4, **others):
    lines = [Line(custom_id=str(at), body=body(str(at), **others)) for at in range(n)]
    batch = Batch(id="b", lines=lines, created=world.clock(), seconds=world.knobs.batch_seconds)
    return world.submit("anthropic", batch)


def test_requests_are_done_and_billed_evenly_at_half_the_price(clock):
    world = World(Knobs(batch_seconds=40), clock)
    submitted(world)
    assert world.books(Ledger.totals).calls == 0
    clock.now = 25
    assert world.books(Ledger.totals).batch_calls == 2
    assert world.batch("anthropic", "b").state == "running"
    clock.now = 100
    batch = world.batch("anthropic", "b")
    assert (batch.state, batch.ended) == ("ended", 40)
    full = sum(line.made.counts.usd(world.knobs) for line in batch.lines)
    assert world.books(Ledger.totals).usd == world.books(Ledger.totals).batch_usd == pytest.approx(full / 2)


def test_what_is_done_when_it_is_cancelled_stays(clock):
    world = World(Knobs(batch_seconds=40), clock)
    submitted(world)
    clock.now = 15
    assert world.cancel("anthropic", "b").state == "cancelling"
    clock.now = 100
    batch = world.batch("anthropic", "b")
    assert batch.state == "ended"
    assert [line.state for line in batch.lines] == ["answered", "cancelled", "cancelled", "cancelled"]
    assert world.books(Ledger.totals).calls == 1


def test_what_expires_or_fails_is_not_billed(clock):
    world = World(Knobs(batch_errored=0.5, batch_expired=0.5), clock)
    batch = submitted(world, 40)
    assert world.books(Ledger.totals).calls == 0
    assert {line.state for line in batch.lines} == {"failed", "expired"}


def test_a_request_that_is_none_fails_alone(clock):
    world = World(Knobs(), clock)
    submitted(world, 2, messages=[])
    batch = world.batch("anthropic", "b")
    assert [(line.state, line.problem.status) for line in batch.lines] == [("failed", 400)] * 2
    assert world.books(Ledger.totals).calls == 0


def test_a_question_asked_alone_and_in_a_batch_is_the_same(clock):
    world = World(Knobs(), clock)
    asked = read("anthropic", body("0"))
    world.answer(asked, None)
    world.arrived([asked.key])
    submitted(world, 2)
    assert (world.books(Ledger.totals).repeats, world.books(Ledger.totals).rebought) == (1, 1)
    world.reset()
    assert world.books(Ledger.totals).calls == 0
