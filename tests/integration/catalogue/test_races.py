"""Workers and runs that gather, park, answer and settle at the same moment."""

import threading

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.records import CallRecord, Settlement
from labeler.llm.protocol import OPEN, Reply, Usage
from tests.integration.catalogue.building import LEASE, failed
from tests.integration.catalogue.test_batches import park_all, question, run_of

N = 40


def together(*works):
    """What each returns, all begun at once; the first error of any."""
    start, found, errors = threading.Barrier(len(works)), [None] * len(works), []

    def begin(place, work):
        start.wait()
        try:
            found[place] = work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found


def settling(catalogue, run_id, keys):
    """Calls that are under way, and what will have come of them."""
    calls = [
        CallRecord(run_id=run_id, index=0, stage="label", backend="openai:m", outcome=OPEN, usd=0.01, key=key)
        for key in keys
    ]
    assert catalogue.reserve(calls) == set()
    return [settlement(one.id) for one in calls]


def settlement(call, text="a"):
    usage = Usage(usd=0.001)
    return Settlement(call=call, outcome="answered", usage=usage, reply=Reply(text=text, usage=usage))


def shipped(catalogue, run_id, batch):
    """The calls of a batch, put down."""
    calls = [
        CallRecord(
            id=f"{batch.id}-{one.key}",
            run_id=run_id,
            index=one.index,
            stage=one.stage,
            backend=batch.backend,
            outcome=OPEN,
            mode="batch",
            key=one.key,
            usd=0.005,
        )
        for one in catalogue.batch_requests(batch)
    ]
    assert catalogue.reserve(calls) == set()
    return calls


@pytest.mark.parametrize("attempt", range(3))
def test_requests_travel_in_one_batch_however_many_workers_gather(catalogue: Catalogue, attempt):
    run_of(catalogue, 300)
    park_all(catalogue, 300)
    found = together(*[lambda: catalogue.gather(1000, LEASE, 0.0)] * 4)
    (batch,) = [batch for batch in found if batch is not None]
    assert len(catalogue.batch_requests(batch)) == 300


@pytest.mark.parametrize("attempt", range(3))
def test_a_feature_wakes_though_two_runs_get_its_last_answers_at_once(catalogue: Catalogue, attempt):
    run_id = run_of(catalogue, N)
    park_all(catalogue, N, lambda index: [f"one-{index}", f"two-{index}"])
    ready = [
        [settling(catalogue, run_of(catalogue, 1), [f"{name}-{index}"]) for index in range(N)]
        for name in ("one", "two")
    ]
    together(*[lambda some=some: [catalogue.settle(one) for one in some] for some in ready])
    assert catalogue.progress(run_id).parked == 0


@pytest.mark.parametrize("attempt", range(3))
def test_a_feature_wakes_though_another_run_gets_its_answer_while_it_is_parked(catalogue: Catalogue, attempt):
    run_id = run_of(catalogue, N)
    claims = catalogue.claim(N, LEASE, 0.0)
    other = run_of(catalogue, 1)
    ready = [settling(catalogue, other, [f"key-{claim.index}"]) for claim in claims]
    together(
        lambda: [catalogue.settle(some) for some in ready],
        lambda: [catalogue.park(claim, [question(f"key-{claim.index}")]) for claim in claims],
    )
    assert catalogue.progress(run_id).parked == 0


@pytest.mark.parametrize("attempt", range(3))
def test_runs_that_get_the_same_answers_in_another_order_do_not_block_each_other(catalogue: Catalogue, attempt):
    keys = [f"key-{index}" for index in range(200)]
    one = settling(catalogue, run_of(catalogue, 1), keys)
    two = settling(catalogue, run_of(catalogue, 1), keys[::-1])
    together(lambda: catalogue.settle(one), lambda: catalogue.settle(two), lambda: catalogue.mark_useless(keys))
    assert len(catalogue.answers(keys)) == 200


def test_what_travels_is_settled_though_another_run_got_its_answer(catalogue: Catalogue):
    run_id = run_of(catalogue, 2)
    park_all(catalogue, 2)
    batch = catalogue.gather(10, LEASE, 0.0)
    calls = shipped(catalogue, run_id, batch)
    catalogue.mark_batch(batch, "sent", provider_id="theirs", not_before=0.0)
    other = run_of(catalogue, 1)
    catalogue.settle(settling(catalogue, other, ["key-0"]))
    sent = catalogue.claim_batch(0.0, LEASE)
    assert [one.key for one in catalogue.batch_requests(sent)] == ["key-0", "key-1"]
    assert [one.key for one in catalogue.requests(run_id)] == ["key-1"]
    assert {(claim.run_id, claim.index) for claim in catalogue.claim(9, LEASE, 0.0)} == {(run_id, 0), (other, 0)}
    catalogue.settle([settlement(one.id, "late") for one in calls])
    catalogue.finish_batch(sent)
    progress = catalogue.progress(run_id)
    assert (progress.calls, progress.unknown_calls, progress.pending) == (2, 0, 0)
    assert catalogue.answers(["key-0"])["key-0"].reply.text == "a"


@pytest.mark.parametrize("again", [True, False])
def test_what_came_to_nothing_is_not_sent_again_where_another_run_got_its_answer(catalogue: Catalogue, again):
    run_id = run_of(catalogue, 1)
    park_all(catalogue, 1)
    batch = catalogue.gather(10, LEASE, 0.0)
    catalogue.mark_batch(batch, "sent")
    catalogue.settle(settling(catalogue, run_of(catalogue, 1), ["key-0"]))
    catalogue.fail_requests(batch, {"key-0": "it expired"}, again=again)
    catalogue.finish_batch(batch)
    assert catalogue.progress(run_id).pending == 0
    assert catalogue.answers(["key-0"])["key-0"].reply.text == "a"


def test_a_new_batch_leaves_out_what_another_run_got_an_answer_to(catalogue: Catalogue):
    """Also where its money was put down before its first holder was killed."""
    run_id = run_of(catalogue, 2)
    park_all(catalogue, 2)
    shipped(catalogue, run_id, catalogue.gather(10, LEASE, 0.0))
    assert round(catalogue.run(run_id).committed_usd, 9) == 0.01
    catalogue.settle(settling(catalogue, run_of(catalogue, 1), ["key-0"]))
    batch = catalogue.claim_batch(2 * LEASE, LEASE)
    assert [one.key for one in catalogue.batch_requests(batch)] == ["key-1"]
    assert round(catalogue.run(run_id).committed_usd, 9) == 0.005
    assert catalogue.progress(run_id).unknown_calls == 1


def test_a_batch_that_may_have_been_sent_is_not_taken_for_a_new_one(catalogue: Catalogue):
    run_of(catalogue, 1)
    park_all(catalogue, 1)
    batch = catalogue.gather(10, LEASE, 0.0)
    catalogue.mark_batch(batch, "sending")
    catalogue.release_batch(batch, 5.0)
    assert catalogue.claim_batch(5.0, LEASE).state == "sending"


def test_a_retry_asks_anew_what_another_run_was_answered_uselessly(catalogue: Catalogue):
    first, second = run_of(catalogue, 1), run_of(catalogue, 1)
    catalogue.settle(settling(catalogue, first, ["key-0"]))
    catalogue.mark_useless(["key-0"])
    for claim in catalogue.claim(2, LEASE, 0.0):
        catalogue.finish_label(claim, failed())
    assert catalogue.retry(second) == 1
    assert catalogue.answers(["key-0"]) == {}
