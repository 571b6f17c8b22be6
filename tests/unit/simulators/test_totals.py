"""Nulls by what predictions add up to: the same as by the predictions, and made once for the pool."""

import numpy as np
import pytest

from labeler.pipeline import scoring
from labeler.pipeline.scoring import by_sums, point, whole
from labeler.simulators import totals as summing
from labeler.simulators.embedding import EmbeddingSimulator
from labeler.simulators.lexical import LexicalSimulator
from tests.fakes import encoding
from tests.fakes.evidence import make_store, on

LABELS = [
    "march and june",
    "the; weakly penny",
    "salt",
    "words that begin with s",
    "river, ships, castle",
    "nothing of it",
    "words in capitals; the start of a sentence",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labeler.simulators.embedding.encoder_available", lambda: True)
        yield encoding.install(patch, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def store(tmp_path_factory, encoder):
    """Some of its contexts are in no pool: those are encoded when a feature first needs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labeler.evidence.sampling.POOL", 300)
        return make_store(tmp_path_factory.mktemp("home"), n=900, rules=[on("march"), on("the"), on("penny", "salt")])


@pytest.mark.parametrize("simulator", [EmbeddingSimulator, LexicalSimulator])
@pytest.mark.parametrize("index", [0, 1, 2])
async def test_sums_give_the_correlation_that_predictions_give(store, simulator, index):
    everything = whole(store, index, "score")
    outside = (store.rows.pool_place[everything.frame.contexts] < 0).sum()
    assert outside or index > 0  # those that fire often enough need none
    predictions = await simulator().predict(LABELS, everything.material)
    expected = [point(everything, prediction) for prediction in predictions]
    for _ in range(2):  # made, and looked up
        found = by_sums(simulator(), LABELS, everything)
        assert [value is None for value in found] == [value is None for value in expected]
        np.testing.assert_allclose(
            [v for v in found if v is not None], [v for v in expected if v is not None], atol=1e-5
        )


async def test_the_pool_is_gone_through_once_for_each_label(store, monkeypatch):
    made = []
    monkeypatch.setattr(
        "labeler.simulators.lexical.named", lambda t, m: made.append((len(t), len(m))) or np.ones((len(t), len(m), 8))
    )
    pool = len(store.pool("select"))
    texts = [f"label {number}" for number in range(5)]
    for index in range(3):
        await scoring.foreign_scores(LexicalSimulator(), texts, whole(store, index, "select"))
    assert sum(n for n, contexts in made if contexts == pool) == len(texts)


def test_no_more_sums_are_held_than_there_is_room_for(store, monkeypatch):
    monkeypatch.setattr(summing, "REMEMBERED", 2 * 10 * len(store.pool("select")))
    of_pool = summing._OfPool(
        lambda texts, material: np.zeros((len(texts), len(material), 2)), store.material(store.pool("select"))
    )
    for number in range(40):
        of_pool([f"label {number}", f"label {number + 1}"])
    assert len(of_pool._known) <= 10


def test_contexts_outside_the_pool_are_encoded_once_in_batches_and_kept(store, encoder):
    rows = np.flatnonzero(store.rows.pool_place < 0)[:100]
    wanted = np.eye(3, encoding.WIDTH, dtype=np.float32)
    first = store.states.times(rows, wanted)
    n = len(encoder.contexts_made)
    np.testing.assert_array_equal(store.states.times(rows[::-1], wanted), first[:, ::-1])
    store.states._made.clear()  # another process
    np.testing.assert_array_equal(store.states.times(rows, wanted), first)
    np.testing.assert_array_equal(store.states.times_at(rows, np.zeros(len(rows), dtype=int), wanted), first[:, :, 0])
    assert len(encoder.contexts_made) == n
