"""A catalogue's rows added up, against answers that are known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.catalogue.report import report, share
from labeler.metrics import ONE_HALF, TOO_FEW

STATES = ("ok", "imprecise", "undefined", "failed", "unscored")


def scored(value, *, state="ok", percentile=None, sampling="everything at hand", reason=None):
    return {"value": value, "state": state, "null_percentile": percentile, "sampling": sampling, "reason": reason}


def row(index, value=0.5, *, headline="simulation.embedding", density=0.01, against=None, same=(), near=(), **score):
    return {
        "index": index,
        "state": "labelled",
        "headline": headline,
        "scores": {headline: scored(value, **score)},
        "controls": {"against_lookup": against},
        "statistics": {"density": density},
        "near_duplicates": list(near),
        "same_label": list(same),
    }


def test_states_are_counted_and_only_labelled_features_are_averaged():
    states = ["dead", "failed", "unclear", "dead"]
    others = [{"index": i, "state": state, "failure": "cut"} for i, state in enumerate(states)]
    found = report([*others, row(9, 0.4), row(10, 0.6)])
    assert found.failures == {"cut": 1}
    assert found.n == 6
    assert found.states == {"dead": 2, "failed": 1, "unclear": 1, "labelled": 2}
    [headline] = found.headlines
    assert headline.score.mean == pytest.approx(0.5)
    assert headline.score.n == 2


def test_undefined_counts_as_nothing_and_is_said_but_failed_is_no_number_at_all():
    rows = [row(0, 0.6), row(1, None, state="undefined"), row(2, None, state="failed"), row(3, 0.3, state="imprecise")]
    [headline] = report(rows).headlines
    assert headline.states == {"ok": 1, "undefined": 1, "failed": 1, "imprecise": 1}
    assert (headline.score.mean, headline.score.n, headline.score.n_undefined) == (pytest.approx(0.3), 3, 1)
    [mean] = report(rows).scores
    assert (mean.score.n, mean.n_failed) == (3, 1)


def test_what_rests_on_too_few_contexts_or_on_one_half_is_counted_and_in_no_mean():
    why = {"state": "imprecise", "reason": f"{ONE_HALF}; of the other: no explainer saw a clear pattern"}
    few = {"state": "undefined", "reason": f"{TOO_FEW}: 3 that fire and 9 that do not"}
    found = report([row(0, 0.6), row(1, 0.2, **why), row(2, 0.1, **why), row(3, None, **few)])
    for one in (*found.headlines, *found.scores):
        assert (one.n_half, one.n_few) == (2, 1)
        assert (one.score.mean, one.score.n, one.score.n_undefined) == (0.6, 1, 0)
        assert (one.with_scarce.mean, one.with_scarce.n) == (pytest.approx(0.225), 4)
        assert one.with_scarce.n_undefined == 1, "an undefined one is 0 here, too"
        assert one.left_out == {"too few contexts": 1, "one half without a label": 2}


@given(st.lists(st.sampled_from([(s, r) for s in STATES for r in (None, f"{TOO_FEW}: 3", f"{ONE_HALF}; no")])))
def test_every_feature_is_in_the_mean_or_left_out_for_a_reason(found):
    rows = [
        row(i, 0.5 if state in ("ok", "imprecise") else None, state=state, reason=reason)
        for i, (state, reason) in enumerate(found)
    ]
    for one in (*report(rows).headlines, *report(rows).scores):
        assert one.n == len(rows) == one.score.n + sum(one.left_out.values())
        scarce = one.n_few + one.n_half
        assert one.with_scarce is None if not scarce else one.with_scarce.n == one.score.n + scarce


def test_a_label_without_a_headline_score_is_counted():
    bare = {**row(1), "scores": {}}
    found = report([row(0, 0.5), bare, {"index": 2, "state": "dead"}])
    assert (found.n_without_score, found.headlines[0].n, found.n) == (1, 1, 3)


def test_the_two_kinds_of_sampling_and_different_headlines_are_never_averaged_together():
    rows = [
        row(0, 0.2),
        row(1, 0.8, headline="simulation_top_and_random.embedding", sampling="top-and-random"),
        row(2, 0.6, headline="detection", sampling="half firing"),
        row(3, 1.0, headline="detection", sampling="top-and-random"),
    ]
    found = report(rows)
    means = {(h.key, h.kind): h.score.mean for h in found.headlines}
    assert means == {
        ("simulation.embedding", "population"): 0.2,
        ("simulation_top_and_random.embedding", "top-and-random"): 0.8,
        ("detection", "population"): 0.6,
        ("detection", "top-and-random"): 1.0,
    }
    assert {(s.key, s.kind) for s in found.scores} == set(means)


def test_deciles_go_from_rare_to_common_and_leave_out_what_has_no_density():
    rng = np.random.default_rng(0)
    order = rng.permutation(100)
    rows = [row(int(i), i / 100, density=(int(i) + 1) / 1000) for i in order] + [row(200, 0.9, density=None)]
    [headline] = report(rows).headlines
    assert headline.score.n == 101
    assert [d.score.n for d in headline.deciles] == [10] * 10
    assert headline.deciles[0].density == (0.001, 0.01)
    assert headline.deciles[-1].density == (0.091, 0.1)
    assert [d.score.mean for d in headline.deciles] == pytest.approx([0.045 + 0.1 * i for i in range(10)])
    assert all(d.score.low < d.score.mean < d.score.high for d in headline.deciles)


@pytest.mark.parametrize(("n", "unknown"), [(1, 0), (3, 0), (19, 0), (19, 30), (20, 0), (20, 30)])
def test_a_handful_of_features_of_known_density_has_no_deciles(n, unknown):
    rows = [row(i, 0.1, density=0.01 * i) for i in range(n)]
    rows += [row(100 + i, 0.1, density=None) for i in range(unknown)]
    [headline] = report(rows).headlines
    assert [d.score.n for d in headline.deciles] == ([2] * 10 if n == 20 else [])


def test_shares_are_of_those_of_which_it_is_known():
    rows = [
        row(0, against="better", percentile=95.0),
        row(1, against="worse", percentile=94.9),
        row(2, percentile=None),
    ]
    rows += [row(3, against="alike"), row(4, against="alike")]
    [headline] = report(rows).headlines
    assert (headline.beats_lookup.share, headline.beats_lookup.n) == (0.25, 4)
    assert (headline.worse_than_lookup.share, headline.worse_than_lookup.n) == (0.25, 4)
    assert (headline.above_null.share, headline.above_null.n) == (0.5, 2)


def test_an_interval_of_a_share_keeps_its_width_where_all_agree():
    """Wilson's interval of 10 of 10: 0.7225 to 1."""
    all_of_ten = share({True: 10})
    assert (all_of_ten.share, all_of_ten.high) == (1.0, pytest.approx(1.0))
    assert all_of_ten.low == pytest.approx(0.7225, abs=1e-4)
    none_known = share({})
    assert (none_known.share, none_known.n) == (None, 0)


def test_the_interval_of_a_share_covers_the_truth():
    rng = np.random.default_rng(1)
    hits = rng.binomial(60, 0.9, size=2000)
    found = [share({True: int(k), False: 60 - int(k)}) for k in hits]
    assert 0.93 < np.mean([one.low <= 0.9 <= one.high for one in found]) < 0.98


def test_near_duplicates_that_share_a_label():
    rows = [row(0, near=[1, 2], same=[1]), row(1, near=[0, 2], same=[0]), row(2, near=[0, 1]), row(3)]
    found = report(rows)
    assert (found.near_duplicates, found.same_label) == (3, 2)


def test_of_an_empty_catalogue_nothing_is_said():
    found = report([])
    assert (found.n, found.headlines, found.scores) == (0, [], [])


def test_of_every_row_a_few_numbers_are_kept():
    def rows(n):
        for i in range(n):
            yield row(i, near=list(range(100)), density=i / n) | {"label": "a label of some length " * 20}

    tracemalloc.start()
    report(rows(20_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000 * 300


def test_a_score_that_was_never_made_is_of_its_row_s_kind():
    one = row(0, 0.8, headline="simulation_top_and_random.embedding", sampling="top-and-random")
    one["scores"]["embedding_auc"] = scored(None, state="unscored", sampling=None)
    other = row(1, 0.6, headline="simulation_top_and_random.embedding", sampling="top-and-random")
    other["scores"]["embedding_auc"] = scored(0.7, sampling="top-and-random")
    kinds = {(mean.key, mean.kind) for mean in report([one, other]).scores}
    assert ("embedding_auc", "top-and-random") in kinds
    assert ("embedding_auc", "population") not in kinds
