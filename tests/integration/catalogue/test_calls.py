"""Calls put down before they are made, settled afterwards, and a budget that has to hold."""

import dataclasses
import threading

from labeler.catalogue import Catalogue
from labeler.catalogue.records import CallRecord, NewFeature, NewRun, Settlement
from labeler.llm.concurrency import patience
from labeler.llm.protocol import OPEN, UNKNOWN, Reply, Usage
from tests.integration.catalogue.building import LEASE, failed

KEY = "k" * 64


def run_with(catalogue, budget=None, features=3):
    made = [NewFeature(index=index, statistics={}) for index in range(features)]
    return catalogue.create_run(NewRun(dictionary="sample", config={}, features=made, budget_usd=budget))


def call(run_id, usd, backend="b:m", **fields):
    return CallRecord(run_id=run_id, index=0, stage="label", backend=backend, outcome=OPEN, usd=usd, **fields)


def settled(one, usd, outcome="answered", reply=None):
    usage = None if usd is None else Usage(input_tokens=10, output_tokens=2, usd=usd)
    return Settlement(call=one.id, outcome=outcome, usage=usage, reply=reply)


def committed(catalogue, run_id):
    return round(catalogue.run(run_id).committed_usd, 9)


def test_a_budget_takes_worst_cases_in_order_until_it_has_no_room(catalogue: Catalogue):
    run_id = run_with(catalogue, budget=1.0)
    calls = [call(run_id, usd) for usd in (0.4, 0.5, 0.2, 0.1)]
    assert catalogue.reserve(calls) == {calls[2].id}
    assert committed(catalogue, run_id) == 1.0
    assert catalogue.reserve([call(run_id, 0.01)]) != set()
    catalogue.settle([settled(calls[0], 0.1), settled(calls[1], None)])
    assert committed(catalogue, run_id) == 0.2
    assert catalogue.reserve([call(run_id, 0.8)]) == set()


def test_a_run_without_a_budget_takes_every_call_and_one_with_it_none_of_unknown_price(catalogue: Catalogue):
    free, bound = run_with(catalogue), run_with(catalogue, budget=5.0)
    assert catalogue.reserve([call(free, None), call(free, 1e6)]) == set()
    unpriced = call(bound, None)
    assert catalogue.reserve([unpriced, call(bound, 1.0)]) == {unpriced.id}


def test_a_paused_run_takes_no_call_until_it_is_resumed(catalogue: Catalogue):
    run_id = run_with(catalogue, budget=1.0)
    catalogue.pause(run_id, "the budget has no room")
    assert (catalogue.run(run_id).state, catalogue.run(run_id).reason) == ("paused", "the budget has no room")
    assert catalogue.reserve([call(run_id, 0.1)]) != set()
    assert catalogue.claim(3, LEASE, 0.0) == []
    catalogue.resume(run_id, budget=2.0)
    record = catalogue.run(run_id)
    assert (record.state, record.reason, record.budget_usd) == ("running", None, 2.0)
    assert catalogue.reserve([call(run_id, 1.5)]) == set()


def test_a_call_put_down_or_settled_twice_counts_once(catalogue: Catalogue):
    run_id = run_with(catalogue, budget=1.0)
    one = call(run_id, 0.5)
    assert catalogue.reserve([one]) == set()
    assert catalogue.reserve([one]) == set()
    assert committed(catalogue, run_id) == 0.5
    catalogue.settle([settled(one, 0.2)])
    catalogue.settle([settled(one, 0.4)])
    assert committed(catalogue, run_id) == 0.2
    assert catalogue.reserve([one]) == set()
    assert catalogue.progress(run_id).calls == 1


def test_an_unknown_call_stays_committed_with_its_worst_case(catalogue: Catalogue):
    run_id = run_with(catalogue, budget=1.0)
    one = call(run_id, 0.5)
    catalogue.reserve([one])
    assert catalogue.has_open_calls(run_id, 0.0)
    catalogue.settle([settled(one, 0.5, UNKNOWN)])
    assert not catalogue.has_open_calls(run_id, 0.0)
    progress = catalogue.progress(run_id)
    assert (progress.calls, progress.unknown_calls, progress.unknown_usd) == (0, 1, 0.5)
    assert committed(catalogue, run_id) == 0.5


def test_an_old_open_call_is_not_one_that_is_being_made(catalogue: Catalogue):
    run_id = run_with(catalogue)
    catalogue.reserve([call(run_id, 0.5, created_at=100.0)])
    assert catalogue.has_open_calls(run_id, 240.0)
    assert not catalogue.has_open_calls(run_id, 260.0)


def test_a_call_with_room_for_much_thinking_is_being_made_for_longer(catalogue: Catalogue):
    run_id = run_with(catalogue)
    catalogue.reserve([dataclasses.replace(call(run_id, 0.5, created_at=100.0), output_tokens=32_000)])
    assert catalogue.has_open_calls(run_id, 100.0 + patience(32_000))
    assert not catalogue.has_open_calls(run_id, 140.0 + patience(32_000))


def test_a_reply_is_kept_as_it_came_and_the_first_one_stays(catalogue: Catalogue):
    run_id = run_with(catalogue)
    text = 'half \ud83d, NUL \0, "quotes", json:x, é'
    first, second = call(run_id, 0.1, key=KEY), call(run_id, 0.1, key=KEY)
    catalogue.reserve([first, second])
    taken = Usage(input_tokens=10, cached_tokens=4, output_tokens=2, usd=0.05)
    catalogue.settle([Settlement(call=first.id, outcome="answered", usage=taken, reply=Reply(text=text, usage=taken))])
    catalogue.settle([settled(second, 0.05, reply=Reply(text="another"))])
    found = catalogue.answers([KEY, "x" * 64])
    assert set(found) == {KEY}
    assert found[KEY].reply == Reply(text=text, usage=taken)
    assert not found[KEY].useless


def test_a_useless_reply_makes_way_for_a_better_one_and_for_a_retry(catalogue: Catalogue):
    run_id = run_with(catalogue, features=1)
    useless, good = call(run_id, 0.1, key=KEY), call(run_id, 0.1, key=KEY)
    other = call(run_id, 0.1, key="o" * 64)
    catalogue.reserve([useless, good, other])
    catalogue.settle([settled(useless, 0.1, "malformed", Reply(text="?")), settled(other, 0.1, reply=Reply(text="ok"))])
    assert catalogue.answers([KEY])[KEY].useless
    catalogue.settle([settled(good, 0.1, reply=Reply(text="good"))])
    assert catalogue.answers([KEY])[KEY].reply.text == "good"
    catalogue.mark_useless([KEY])
    (claim,) = catalogue.claim(1, LEASE, 0.0)
    catalogue.finish_label(claim, failed())
    assert catalogue.retry(run_id) == 1
    assert set(catalogue.answers([KEY, "o" * 64])) == {"o" * 64}


def test_what_answers_usually_take(catalogue: Catalogue):
    run_id = run_with(catalogue)
    calls = [call(run_id, 0.1, prompt="explain@1") for _ in range(3)]
    catalogue.reserve(calls)
    for one, tokens, outcome in zip(calls, (10, 30, 900), ("answered", "answered", "malformed"), strict=True):
        usage = Usage(output_tokens=tokens, usd=0.1)
        catalogue.settle([Settlement(call=one.id, outcome=outcome, usage=usage)])
    assert catalogue.usual_answer("b:m", "explain@1") == 20
    assert catalogue.usual_answer("b:m", "sparse@1") is None


def test_a_dated_snapshot_answers_as_its_model_does(catalogue: Catalogue):
    run_id = run_with(catalogue)
    names = ("openai:gpt-5-nano", "openai:gpt-5-nano-2025-08-07", "openai:gpt-5-mini")
    calls = [call(run_id, 0.1, prompt="explain@1", backend=name) for name in names]
    catalogue.reserve(calls)
    for one, tokens in zip(calls, (10, 30, 900), strict=True):
        usage = Usage(output_tokens=tokens, usd=0.1)
        catalogue.settle([Settlement(call=one.id, outcome="answered", usage=usage)])
    assert catalogue.usual_answer("openai:gpt-5-nano", "explain@1") == 20
    assert catalogue.usual_answer("openai:gpt-5-nano-2025-08-07", "explain@1") == 20
    assert catalogue.usual_answer("openai:gpt-5", "explain@1") is None


def test_workers_at_once_never_overshoot(catalogue: Catalogue):
    """Whatever the order: the sum of what was taken and of what is open stays within the budget."""
    run_id, taken, seen = run_with(catalogue, budget=1.0), [], []

    def work():
        for _ in range(15):
            one = call(run_id, 0.06)
            if not catalogue.reserve([one]):
                taken.append(one)
                seen.append(catalogue.run(run_id).committed_usd)
                catalogue.settle([settled(one, 0.02)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen) <= 1.0 + 1e-9
    assert committed(catalogue, run_id) == round(0.02 * len(taken), 9) <= 1.0
    # What was given back was used: none is refused before 38 are settled and three others are open.
    assert len(taken) >= 38


def test_a_server_that_does_not_say_what_it_took_took_the_worst(catalogue: Catalogue):
    run_id = run_with(catalogue, budget=1.0)
    one = call(run_id, 0.6)
    catalogue.reserve([one])
    catalogue.settle([Settlement(call=one.id, outcome="answered", usage=Usage(usd=None))])
    assert committed(catalogue, run_id) == 0.6
    assert catalogue.progress(run_id).usd == 0.6
    assert catalogue.reserve([call(run_id, 0.6)]) != set()
