"""A store that is cut down: the same features, fewer contexts, and still samples of the whole corpus."""

import numpy as np
import pytest

from eval.sample.cut import Sizes, cut
from labeler.evidence.sampling import permanent_number
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SPLITS
from tests.fakes.evidence import make_store

SIZES = Sizes(pool=60, reservoir=(3, 1, 2), top=2)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut")
    whole = make_store(folder, n=600)
    cut(whole, [0, 2, 3], folder / "demo", "demo", SIZES)
    return whole, EvidenceStore(folder / "demo")


def test_features_keep_their_numbers_counts_and_activations(stores):
    whole, small = stores
    assert small.indices.tolist() == [0, 2, 3]
    assert small.health(verify=True) is None
    text = lambda store, context: (context.document, context.text)  # noqa: E731
    for index in (0, 2, 3):
        ours, theirs = small.evidence(index), whole.evidence(index)
        assert np.array_equal(ours.population, theirs.population)
        assert ours.statistics.n_firing == theirs.statistics.n_firing
        there = {text(whole, c): c.activations.tolist() for c in theirs.contexts}
        assert ours.contexts
        assert all(there[text(small, c)] == c.activations.tolist() for c in ours.contexts)
        assert ours.contexts[0].maximum == theirs.contexts[0].maximum or ours.of("explain")


def test_the_pool_is_the_contexts_with_the_smallest_numbers(stores):
    whole, small = stores
    smallest = lambda store: np.sort(  # noqa: E731
        permanent_number(store.rows.column("ordinal", np.flatnonzero(store.rows.pool_place >= 0)))
    )
    assert np.array_equal(smallest(small), smallest(whole)[: SIZES.pool])


def test_weights_add_up_to_the_corpus(stores):
    whole, small = stores
    for index in (0, 2, 3):
        population = whole.evidence(index).population
        frames = [small.frame(index, split) for split in SPLITS]
        if small.halves(index):  # a half explains and selects: nothing adds up over splits
            assert frames[2].weight[~frames[2].firing].sum() == pytest.approx(population[2, 0], rel=0.3)
            continue
        # Documents that are few are dealt anew, from one split to another; together they are what they were.
        assert sum(frame.weight[~frame.firing].sum() for frame in frames) == pytest.approx(population[:, 0].sum())
        if small.splits(index) is small.rows.split:
            for counted, frame in zip(population, frames, strict=True):
                assert frame.weight.sum() == pytest.approx(counted[np.unique(frame.stratum)].sum())


def test_a_split_keeps_what_it_was_allowed(stores):
    _, small = stores
    pool = set(np.flatnonzero(small.rows.pool_place >= 0).tolist())
    for index in (0, 2, 3):
        for split, most in zip(SPLITS, SIZES.reservoir, strict=True):
            frame = small.frame(index, split)
            beside = [s for row, s in zip(frame.contexts, frame.stratum, strict=True) if s and row not in pool]
            assert all(beside.count(stratum) <= most for stratum in set(beside))
