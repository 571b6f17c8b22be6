"""Questions that are put later: parked features, batches of requests, answers that wake."""

import threading

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.records import CallRecord, NewFeature, NewRun, Settlement
from labeler.llm.protocol import OPEN, PendingRequest, Reply, Usage
from tests.integration.catalogue.building import LEASE, labelled

BATCH = {"labelling": {"mode": "batch"}}


def run_of(catalogue, features=3, config=BATCH):
    made = [NewFeature(index=index, statistics={}) for index in range(features)]
    return catalogue.create_run(NewRun(dictionary="sample", config=config, features=made))


def question(key, backend="openai:m"):
    bound = Usage(input_tokens=100, output_tokens=50, usd=0.01)
    return PendingRequest(key=key, backend=backend, prompt="explain@1", body={"model": "m", "q": key}, bound=bound)


def park_all(catalogue, n, keys=lambda index: [f"key-{index}"]):
    for claim in catalogue.claim(n, LEASE, 0.0):
        assert catalogue.park(claim, [question(key) for key in keys(claim.index)])


def answer(catalogue, run_id, *keys):
    calls = [
        CallRecord(run_id=run_id, index=0, stage="label", backend="openai:m", outcome=OPEN, usd=0.01, key=key)
        for key in keys
    ]
    catalogue.reserve(calls)
    usage = Usage(usd=0.001)
    catalogue.settle(
        [Settlement(call=one.id, outcome="answered", usage=usage, reply=Reply(text="a", usage=usage)) for one in calls]
    )


def test_a_parked_feature_is_open_but_nobody_s_until_all_its_answers_are_there(catalogue: Catalogue):
    run_id = run_of(catalogue, 1)
    park_all(catalogue, 1, lambda index: ["a", "b"])
    progress = catalogue.progress(run_id)
    assert (progress.parked, progress.waiting, progress.leased, progress.pending) == (1, 0, 0, 2)
    assert catalogue.claim(1, LEASE, 1e9) == []
    assert catalogue.settled_down(run_id)
    answer(catalogue, run_id, "a")
    assert catalogue.claim(1, LEASE, 1e9) == []
    answer(catalogue, run_id, "b")
    assert not catalogue.settled_down(run_id)
    (claim,) = catalogue.claim(1, LEASE, 1e9)
    assert (claim.index, claim.attempts) == (0, 1)
    assert catalogue.progress(run_id).pending == 0
    assert catalogue.run(run_id).state == "running"


def test_what_was_answered_meanwhile_is_not_waited_for(catalogue: Catalogue):
    run_id = run_of(catalogue, 1)
    (claim,) = catalogue.claim(1, LEASE, 0.0)
    answer(catalogue, run_id, "a")
    assert catalogue.park(claim, [question("a")])
    assert catalogue.progress(run_id).parked == 0
    assert len(catalogue.claim(1, LEASE, 0.0)) == 1


def test_a_lost_lease_parks_nothing(catalogue: Catalogue):
    run_id = run_of(catalogue, 1)
    (claim,) = catalogue.claim(1, 1.0, 0.0)
    assert len(catalogue.claim(1, LEASE, 100.0)) == 1
    assert not catalogue.park(claim, [question("a")])
    assert catalogue.progress(run_id).pending == 0


def test_controls_wait_for_labels_that_are_parked(catalogue: Catalogue):
    run_of(catalogue, 2)
    claims = catalogue.claim(2, LEASE, 0.0)
    catalogue.finish_label(claims[0], labelled())
    assert catalogue.park(claims[1], [question("a")])
    assert catalogue.claim(2, LEASE, 1e9) == []


def test_requests_are_gathered_once_nothing_more_can_come_or_enough_are_there(catalogue: Catalogue):
    run_id = run_of(catalogue, 5)
    park_all(catalogue, 3)
    assert catalogue.gather(10, LEASE, 0.0) is None  # two features may have more to ask
    full = catalogue.gather(2, LEASE, 0.0)
    assert [one.key for one in catalogue.batch_requests(full)] == ["key-0", "key-1"]
    assert not catalogue.gather(2, LEASE, 0.0)
    park_all(catalogue, 2)
    rest = catalogue.gather(10, LEASE, 0.0)
    assert [one.key for one in catalogue.batch_requests(rest)] == ["key-2", "key-3", "key-4"]
    assert catalogue.batch_requests(rest)[0].body == {"model": "m", "q": "key-2"}
    assert catalogue.gather(10, LEASE, 0.0) is None
    assert catalogue.batch_counts(run_id) == {"new": 2}


def test_only_runs_that_ask_through_batches_are_gathered(catalogue: Catalogue):
    run_id = run_of(catalogue, 1, {"labelling": {"mode": "offline"}})
    park_all(catalogue, 1)
    assert catalogue.gather(10, LEASE, 0.0) is None
    assert not catalogue.claimable(1e9)
    assert [one.key for one in catalogue.requests(run_id)] == ["key-0"]


def test_a_batch_is_one_worker_s_at_a_time_and_comes_back_when_it_is_due(catalogue: Catalogue):
    run_id = run_of(catalogue, 1)
    park_all(catalogue, 1)
    assert catalogue.claimable(0.0)
    batch = catalogue.gather(10, LEASE, 0.0)
    assert catalogue.claim_batch(1.0, LEASE) is None
    assert catalogue.mark_batch(batch, "sent", provider_id="theirs", not_before=50.0)
    assert catalogue.claim_batch(49.0, LEASE) is None
    assert not catalogue.claimable(49.0)
    assert catalogue.claimable(50.0)
    again = catalogue.claim_batch(50.0, LEASE)
    assert (again.id, again.state, again.provider_id) == (batch.id, "sent", "theirs")
    assert not catalogue.mark_batch(batch, "done")  # the first lease is over
    assert catalogue.provider_ids("openai:m") == ["theirs"]
    late = catalogue.claim_batch(50.0 + 2 * LEASE, LEASE)
    assert late.token != again.token
    answer(catalogue, run_id, "key-0")
    catalogue.finish_batch(late)
    assert catalogue.claim_batch(1e9, LEASE) is None
    assert catalogue.batch_counts(run_id) == {"done": 1}


def test_of_a_run_that_is_stopped_only_what_may_be_out_is_seen_to(catalogue: Catalogue):
    run_id = run_of(catalogue, 2)
    park_all(catalogue, 2)
    sent, new = catalogue.gather(1, LEASE, 0.0), catalogue.gather(1, LEASE, 0.0)
    catalogue.mark_batch(sent, "sent", provider_id="theirs", not_before=0.0)
    catalogue.release_batch(new, 0.0)
    catalogue.cancel(run_id)
    assert catalogue.claim_batch(1e9, LEASE).id == sent.id
    assert catalogue.claim_batch(1e9, LEASE) is None


def test_what_came_to_nothing_travels_again_in_smaller_batches_and_is_given_up_in_the_end(catalogue: Catalogue):
    run_id = run_of(catalogue, 4)
    park_all(catalogue, 4)
    sizes = []
    for now in range(20):
        batch = catalogue.gather(4, LEASE, float(now))
        if batch is None:
            break
        keys = [one.key for one in catalogue.batch_requests(batch)]
        sizes.append(len(keys))
        catalogue.fail_requests(batch, dict.fromkeys(keys, "it expired"), again=True)
        catalogue.finish_batch(batch)
    assert sorted(sizes, reverse=True) == [4, 2, 2] + [1] * 12
    found = catalogue.answers([f"key-{index}" for index in range(4)])
    assert {(one.reply.stop, one.reply.said, one.useless) for one in found.values()} == {
        ("rejected", "it expired", True)
    }
    assert len(catalogue.claim(4, LEASE, 100.0)) == 4
    assert catalogue.progress(run_id).calls == 0


def test_what_the_provider_will_never_take_is_answered_by_its_rejection(catalogue: Catalogue):
    run_of(catalogue, 2)
    park_all(catalogue, 2)
    batch = catalogue.gather(4, LEASE, 0.0)
    catalogue.fail_requests(batch, {"key-1": "too long"}, again=False)
    assert [claim.index for claim in catalogue.claim(2, LEASE, 0.0)] == [1]
    assert [one.key for one in catalogue.batch_requests(batch)] == ["key-0"]


def test_a_part_for_which_there_is_no_money_waits_in_a_batch_of_its_own(catalogue: Catalogue):
    run_of(catalogue, 3)
    park_all(catalogue, 3)
    batch = catalogue.gather(4, LEASE, 0.0)
    catalogue.split_batch(batch, ["key-1", "key-2"], 30.0)
    assert [one.key for one in catalogue.batch_requests(batch)] == ["key-0"]
    assert catalogue.claim_batch(29.0, LEASE) is None
    other = catalogue.claim_batch(30.0, LEASE)
    assert [one.key for one in catalogue.batch_requests(other)] == ["key-1", "key-2"]
    catalogue.unship(other, ["key-1", "key-2"])
    catalogue.finish_batch(other)
    assert [one.key for one in catalogue.batch_requests(catalogue.gather(4, LEASE, 31.0))] == ["key-1", "key-2"]


def test_answers_out_of_a_file_are_calls_of_nobody_s_money(catalogue: Catalogue):
    run_id = run_of(catalogue, 2, {"labelling": {"mode": "offline"}})
    park_all(catalogue, 2)
    reply = Reply(text="a", usage=Usage(input_tokens=7, output_tokens=2, usd=None))
    assert catalogue.put_answers(run_id, [("key-0", reply), ("stranger", reply)]) == 1
    assert catalogue.put_answers(run_id, [("key-0", reply)]) == 0
    progress = catalogue.progress(run_id)
    assert (progress.calls, progress.input_tokens, progress.unpriced_calls, progress.pending) == (1, 7, 1, 1)
    assert [claim.index for claim in catalogue.claim(2, LEASE, 0.0)] == [0]
    assert set(catalogue.answers(["key-0", "stranger"])) == {"key-0"}


def test_an_answer_wakes_the_features_of_every_run_that_wait_for_it(catalogue: Catalogue):
    first, second = run_of(catalogue, 1), run_of(catalogue, 1)
    park_all(catalogue, 2, lambda index: ["same"])
    answer(catalogue, first, "same")
    assert {claim.run_id for claim in catalogue.claim(2, LEASE, 0.0)} == {first, second}


@pytest.mark.parametrize("attempt", range(3))
def test_no_feature_sleeps_on_though_its_answers_are_there(catalogue: Catalogue, attempt):
    """Features are parked while, at the same time, their answers are stored."""
    n = 12
    run_id = run_of(catalogue, n)
    claims = catalogue.claim(n, LEASE, 0.0)

    def park():
        for claim in claims:
            catalogue.park(claim, [question(f"key-{claim.index}")])

    def store():
        for index in range(n):
            answer(catalogue, run_id, f"key-{index}")

    threads = [threading.Thread(target=work) for work in (park, store)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalogue.progress(run_id).pending == 0
    assert len(catalogue.claim(n, LEASE, 0.0)) == n
