"""What a process promises about calls is in the database when it returns."""

import asyncio
import time

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.records import CallRecord, NewFeature, NewRun, Settlement
from labeler.llm.concurrency import GRACE_SECONDS, TOTAL_SECONDS
from labeler.llm.errors import SpentError
from labeler.llm.protocol import OPEN, Reply, Usage
from labeler.pipeline.ledger import Ledger


@pytest.fixture
def catalogue(tmp_path):
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'labeler.db'}")
    yield catalogue
    catalogue.close()


def begin(catalogue, budget=None):
    made = [NewFeature(index=0, statistics={})]
    return catalogue.create_run(NewRun(dictionary="d", config={}, features=made, budget_usd=budget))


def call(run_id, usd=0.1, key=None, **fields):
    return CallRecord(run_id=run_id, index=0, stage="label", backend="b", outcome=OPEN, usd=usd, key=key, **fields)


def settlement(one, usd=0.01, reply=None):
    return Settlement(call=one.id, outcome="answered", usage=Usage(usd=usd), reply=reply)


async def test_many_calls_at_once_are_all_put_down_settled_and_found(catalogue):
    run_id, ledger = begin(catalogue), Ledger(catalogue)

    async def one(number):
        asked = call(run_id, key=f"key-{number}")
        assert await ledger.find(asked.key) is None
        await ledger.reserve(asked)
        await ledger.settle(settlement(asked, reply=Reply(text=str(number))))
        assert (await ledger.find(asked.key)).reply.text == str(number)

    await asyncio.gather(*(one(number) for number in range(60)))
    await ledger.close()
    progress = catalogue.progress(run_id)
    assert (progress.calls, progress.unknown_calls) == (60, 0)
    assert progress.usd == pytest.approx(0.6)


async def test_a_call_waits_for_what_others_give_back(catalogue):
    run_id, ledger, waited = begin(catalogue, budget=0.1), Ledger(catalogue), []
    first = call(run_id)
    await ledger.reserve(first)

    async def sleep(seconds):
        waited.append(seconds)
        await ledger.settle(settlement(first, usd=0.0))

    patient = Ledger(catalogue, sleep=sleep)
    await patient.reserve(call(run_id))
    assert len(waited) == 1
    await patient.close()
    await ledger.close()


async def test_who_was_begun_first_is_served_first_and_nobody_overtakes(catalogue):
    made = [NewFeature(index=index, statistics={}) for index in range(4)]
    run_id = catalogue.create_run(NewRun(dictionary="d", config={}, features=made, budget_usd=0.1))
    slept, served, go_on = [], [], asyncio.Event()

    async def sleep(seconds):
        slept.append(seconds)
        await go_on.wait()

    ledger = Ledger(catalogue, sleep=sleep)
    first = call(run_id)
    await ledger.reserve(first)

    async def one(index, usd):
        asked = CallRecord(run_id=run_id, index=index, stage="label", backend="b", outcome=OPEN, usd=usd, prompt="p@1")
        await ledger.reserve(asked)
        served.append(index)
        await ledger.settle(settlement(asked, usd=0.0))

    waiting = [asyncio.create_task(one(3, 0.08)), asyncio.create_task(one(1, 0.1))]
    while len(slept) < 2:
        await asyncio.sleep(0.01)
    waiting.append(asyncio.create_task(one(2, 0.001)))  # there may be room for it at once, but not before the first
    await ledger.settle(settlement(first, usd=0.0))
    go_on.set()
    await asyncio.gather(*waiting)
    assert served == [1, 2, 3]
    await ledger.close()


async def test_with_nobody_to_give_back_the_money_is_spent(catalogue):
    run_id, ledger = begin(catalogue, budget=0.1), Ledger(catalogue)
    first = call(run_id)
    await ledger.reserve(first)
    await ledger.settle(settlement(first, usd=0.05))
    with pytest.raises(SpentError, match="budget"):
        await ledger.reserve(call(run_id))
    await ledger.close()


async def test_a_killed_worker_s_call_is_not_waited_for_for_ever(catalogue):
    run_id, ledger = begin(catalogue, budget=0.15), Ledger(catalogue)
    await ledger.reserve(call(run_id, created_at=time.time() - TOTAL_SECONDS - GRACE_SECONDS - 1))
    with pytest.raises(SpentError):
        await ledger.reserve(call(run_id))
    await ledger.close()


async def test_what_was_handed_over_is_stored_though_the_caller_is_cancelled(catalogue):
    run_id, ledger = begin(catalogue), Ledger(catalogue)
    one = call(run_id, key="key")
    await ledger.reserve(one)
    task = asyncio.create_task(ledger.settle(settlement(one, reply=Reply(text="paid"))))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await ledger.close()
    assert catalogue.answers(["key"])["key"].reply.text == "paid"
    assert catalogue.progress(run_id).unknown_calls == 0
