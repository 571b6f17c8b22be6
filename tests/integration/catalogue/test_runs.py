"""Runs as a whole: found, stopped, taken up again, retried."""

from __future__ import annotations

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.records import CallRecord, NewFeature, NewRun, Settlement
from labeler.catalogue.runs import NAMED
from labeler.errors import InputError
from labeler.llm.protocol import Usage
from tests.integration.catalogue.building import LEASE, Clock, failed, finish, labelled, new_run, work_off


def test_a_run_is_found_as_it_was_created(catalogue: Catalogue, clock: Clock):
    config = {"model": "smollm2-135m", "seed": 0, "budget": float("inf"), "note": "a\0b"}
    run_id = catalogue.create_run(new_run(3, **config))

    run = catalogue.run(run_id)

    assert len(run_id) == 12
    assert int(run_id, 16) >= 0
    assert run.config == {"model": "smollm2-135m", "seed": 0, "budget": None, "note": "ab"}
    assert (run.id, run.dictionary, run.state, run.n_features) == (run_id, "sample", "running", 3)
    assert (run.created_at, run.finished_at) == (clock.now, None)
    assert catalogue.indices(run_id) == [0, 1, 2]


def test_a_run_is_found_by_the_beginning_of_its_id(catalogue: Catalogue, clock: Clock, monkeypatch):
    ids = iter(["aaaaaaaaaaaa", "aabbbbbbbbbb", "cccccccccccc"])
    monkeypatch.setattr("labeler.catalogue.runs.secrets.token_hex", lambda n: next(ids))
    for _ in range(3):
        clock.now += 1
        catalogue.create_run(new_run(1))

    assert catalogue.run("aab").id == "aabbbbbbbbbb"
    assert catalogue.run("c").id == "cccccccccccc"
    with pytest.raises(InputError, match=r"several runs begin with 'aa'.* \(runs: aabbbbbbbbbb, aaaaaaaaaaaa\)"):
        catalogue.run("aa")
    for unknown in ("dd", "", "%", "c_", "C"):
        with pytest.raises(InputError, match=r"no run .* \(runs: cccccccccccc, aabbbbbbbbbb, aaaaaaaaaaaa\)"):
            catalogue.run(unknown)


def test_a_run_of_another_dictionary_is_told_from_one_that_is_not_there(catalogue: Catalogue):
    one, two = catalogue.create_run(new_run(1, "one")), catalogue.create_run(new_run(1, "two"))

    assert catalogue.run(one, "one").id == one
    with pytest.raises(InputError, match=rf"run '{two}' is of 'two', not of 'one' \(runs: {one}\)"):
        catalogue.run(two, "one")
    with pytest.raises(InputError, match=rf"there is no run 'nope' of 'one' \(runs: {one}\)"):
        catalogue.run("nope", "one")
    with pytest.raises(InputError, match=r"there is no run 'nope' of 'three' \(runs: none yet\)"):
        catalogue.run("nope", "three")


def test_of_many_runs_a_message_names_the_newest(catalogue: Catalogue, clock: Clock):
    ids = []
    for _ in range(NAMED + 2):
        clock.now += 1
        ids.append(catalogue.create_run(new_run(1)))
    with pytest.raises(InputError) as refused:
        catalogue.run("nope")
    assert str(refused.value) == f"there is no run 'nope' (runs: {', '.join(ids[: -NAMED - 1 : -1])}, …)"


def test_runs_come_newest_first(catalogue: Catalogue, clock: Clock):
    ids = []
    for dictionary in ("one", "two", "one"):
        clock.now += 1
        ids.append(catalogue.create_run(new_run(1, dictionary)))

    assert [run.id for run in catalogue.runs()] == ids[::-1]
    assert [run.id for run in catalogue.runs("one")] == [ids[2], ids[0]]
    assert catalogue.runs("three") == []


def test_an_impossible_run_is_refused_whole(catalogue: Catalogue):
    twice = [NewFeature(index=1, statistics={}), NewFeature(index=1, statistics={})]
    with pytest.raises(InputError, match="names a feature twice"):
        catalogue.create_run(NewRun(dictionary="sample", config={}, features=twice))
    with pytest.raises(InputError, match="at least one feature"):
        catalogue.create_run(NewRun(dictionary="sample", config={}, features=[]))

    assert catalogue.runs() == []


def test_nothing_of_a_cancelled_run_is_claimed_but_what_is_in_flight_is_stored(catalogue: Catalogue):
    run_id = catalogue.create_run(new_run(3))
    [claim] = catalogue.claim(1, LEASE, 0.0)

    assert catalogue.cancel(run_id)

    assert catalogue.run(run_id).state == "cancelled"
    assert not catalogue.claimable(1_000.0)
    assert catalogue.claim(9, LEASE, 1_000.0) == []
    assert catalogue.finish_label(claim, labelled())


def test_a_cancelled_run_runs_again(catalogue: Catalogue):
    run_id = catalogue.create_run(new_run(3))
    catalogue.cancel(run_id)

    catalogue.resume(run_id)

    assert catalogue.run(run_id).state == "running"
    assert work_off(catalogue, 0.0) == 6
    assert catalogue.run(run_id).state == "finished"


@pytest.mark.parametrize("stop", [Catalogue.cancel, lambda catalogue, run_id: catalogue.pause(run_id, "no room")])
def test_a_run_whose_last_feature_is_stored_after_it_was_stopped_is_finished(catalogue: Catalogue, clock: Clock, stop):
    run_id = catalogue.create_run(new_run(1))
    [claim] = catalogue.claim(1, LEASE, 0.0)
    stop(catalogue, run_id)
    clock.now += 1
    catalogue.finish_label(claim, failed())

    run = catalogue.run(run_id)
    assert (run.state, run.reason, run.finished_at) == ("finished", None, clock.now)
    assert not catalogue.cancel(run_id)


def test_a_run_whose_last_worker_was_killed_behind_its_last_feature_is_not_cancelled(catalogue: Catalogue, monkeypatch):
    run_id = catalogue.create_run(new_run(1))
    [claim] = catalogue.claim(1, LEASE, 0.0)
    monkeypatch.setattr(catalogue, "_close_run", lambda run_id: None)
    catalogue.finish_label(claim, failed())
    assert catalogue.run(run_id).state == "running"

    assert not catalogue.cancel(run_id)

    assert catalogue.run(run_id).state == "finished"


def test_a_finished_run_is_neither_cancelled_nor_resumed(catalogue: Catalogue):
    run_id = catalogue.create_run(new_run(1))
    work_off(catalogue, 0.0)

    catalogue.cancel(run_id)
    catalogue.resume(run_id)

    assert catalogue.run(run_id).state == "finished"


def test_resuming_frees_only_the_leases_that_have_run_out(catalogue: Catalogue, clock: Clock):
    # Given a lease that runs out at 160 and one that runs out at 210
    run_id = catalogue.create_run(new_run(2))
    [early] = catalogue.claim(1, LEASE, 100.0)
    [late] = catalogue.claim(1, LEASE, 150.0)

    clock.now = 200.0
    catalogue.resume(run_id)

    assert catalogue.progress(run_id).leased == 1
    assert catalogue.extend([early, late], LEASE, 200.0) == [late]


def test_leases_can_be_broken_where_no_other_worker_exists(catalogue: Catalogue, clock: Clock):
    run_id = catalogue.create_run(new_run(2))
    other = catalogue.create_run(new_run(1))
    clock.now = 100.0
    abandoned = catalogue.claim(2, LEASE, 100.0, [run_id])
    [kept] = catalogue.claim(1, LEASE, 100.0, [other])

    catalogue.resume(run_id, break_leases=True)

    assert not catalogue.finish_label(abandoned[0], labelled())
    assert [claim.index for claim in catalogue.claim(9, LEASE, 100.0)] == [0, 1]
    assert catalogue.finish_label(kept, labelled())


def test_failed_features_are_retried_and_no_others(catalogue: Catalogue):
    # Given a finished run in which one of three failed at its second attempt
    run_id = catalogue.create_run(new_run(3))
    catalogue.release([catalogue.claim(1, LEASE, 0.0)[0]], 0.0)
    claims = catalogue.claim(3, LEASE, 0.0)
    assert claims[0].attempts == 2
    catalogue.finish_label(claims[0], failed())
    for claim in claims[1:]:
        finish(catalogue, claim)
    work_off(catalogue, 0.0)
    assert catalogue.run(run_id).state == "finished"

    # When it is retried
    assert catalogue.retry(run_id) == 1

    # Then that one is claimed as if for the first time, and the run ends again
    run = catalogue.run(run_id)
    assert (run.state, run.finished_at) == ("running", None)
    assert [row["index"] for row in catalogue.rows("sample")] == [1, 2]
    [claim] = catalogue.claim(9, LEASE, 0.0)
    assert (claim.index, claim.stage, claim.attempts) == (0, "label", 1)
    finish(catalogue, claim)
    assert work_off(catalogue, 0.0) == 1
    assert catalogue.run(run_id).state == "finished"
    assert [row["state"] for row in catalogue.rows("sample")] == ["labelled"] * 3


def test_a_run_without_failures_has_nothing_to_retry(catalogue: Catalogue):
    run_id = catalogue.create_run(new_run(1))
    work_off(catalogue, 0.0)

    assert catalogue.retry(run_id) == 0
    assert catalogue.run(run_id).state == "finished"


def test_progress_counts_every_feature_once(catalogue: Catalogue, clock: Clock):
    run_id = catalogue.create_run(new_run(5))
    claims = catalogue.claim(4, LEASE, 0.0)
    clock.now = 2_000.0
    catalogue.finish_label(claims[0], labelled())
    clock.now = 2_010.0
    catalogue.finish_label(claims[1], failed())
    catalogue.finish_label(claims[2], labelled(scored=False))

    progress = catalogue.progress(run_id)

    assert (progress.waiting, progress.leased, progress.in_control, progress.done) == (1, 1, 1, 2)
    assert progress.total == 5
    assert (progress.failed, progress.by_state) == (1, {"labelled": 2, "failed": 1})
    assert (progress.first_finished_at, progress.last_finished_at) == (2_000.0, 2_010.0)


def test_progress_sums_calls_and_lists_those_of_unknown_outcome_apart(catalogue: Catalogue):
    # Given a priced call, one whose price is unknown, and one that was cut off
    run_id = catalogue.create_run(new_run(1))
    call = {"run_id": run_id, "index": 0, "stage": "label", "backend": "anthropic:claude-haiku-5-5"}
    answered = CallRecord(
        **call, outcome="ok", input_tokens=100, cached_tokens=40, output_tokens=9, usd=0.25, prompt="explain@1"
    )
    unpriced = CallRecord(**call, outcome="malformed", input_tokens=10, output_tokens=1, usd=None)
    cut_off = CallRecord(**call, outcome="unknown", usd=0.5)
    under_way = CallRecord(**call, outcome="open", usd=0.25)

    # When they are put down, some of them twice
    assert catalogue.reserve([cut_off]) == set()
    assert catalogue.reserve([answered, unpriced, cut_off, under_way]) == set()
    assert catalogue.reserve([answered]) == set()
    assert catalogue.reserve([]) == set()

    # Then each counts once
    progress = catalogue.progress(run_id)
    assert (progress.usd, progress.calls, progress.unpriced_calls) == (0.25, 2, 1)
    assert (progress.input_tokens, progress.cached_tokens, progress.output_tokens) == (110, 40, 10)
    assert (progress.unknown_calls, progress.unknown_usd) == (2, 0.75)
    assert catalogue.run(run_id).committed_usd == 1.0

    # And when the one that was under way is settled, it is no longer apart, and what it did not need is given back
    took = Usage(input_tokens=5, output_tokens=1, usd=0.125)
    for _ in range(2):
        catalogue.settle([Settlement(call=under_way.id, outcome="answered", usage=took)])
    progress = catalogue.progress(run_id)
    assert (progress.usd, progress.calls, progress.unknown_calls, progress.unknown_usd) == (0.375, 3, 1, 0.5)
    assert catalogue.run(run_id).committed_usd == 0.875


@pytest.mark.parametrize("method", ["progress", "cancel", "resume", "retry", "labels", "indices"])
def test_an_unknown_run_is_said(catalogue: Catalogue, method):
    with pytest.raises(InputError, match="there is no run 'nope'"):
        getattr(catalogue, method)("nope")
    with pytest.raises(InputError, match="there is no run 'nope'"):
        catalogue.scores("nope", 0)
    with pytest.raises(InputError, match="there is no run 'nope'"):
        catalogue.rows("sample", "nope")
