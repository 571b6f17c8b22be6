"""The contexts that are drawn for a paid simulator are the same on every processor."""

import itertools
import zlib

import numpy as np
import pytest

from labeler.evidence.sampling import coarse, drawing
from labeler.pipeline.importance import guides
from labeler.pipeline.scoring import whole
from labeler.simulators import embedding
from tests.fakes.evidence import WORDS, make_store, on

PAIRS = [*itertools.pairwise(dict.fromkeys(WORDS)), *zip(WORDS, WORDS[5:], strict=False)][:48]
WIDTH = 384


def direction(word: str) -> np.ndarray:
    """Words of the same first letter lie near each other."""
    near, own = (np.random.default_rng(zlib.crc32(text.encode())).normal(size=WIDTH) for text in (word[:1], word))
    return (near + own) / np.linalg.norm(near + own)


class Processor:
    """The encoder on a processor whose rounding is its own."""

    def __init__(self, store, noise: float, seed: int) -> None:
        self._rng, self._noise = np.random.default_rng(seed), noise
        self._texts: dict[str, np.ndarray] = {}
        self._words = self.rounded(np.stack([direction(word.decode()) for word in store.lexicon.spelled]))
        self._means = self.rounded(store.states.means(np.arange(len(store.rows))))

    def rounded(self, vectors):
        error = self._rng.normal(size=vectors.shape)
        return (vectors.astype(np.float64) * (1 + self._noise * error)).astype(np.float32)

    def texts(self, texts):
        for text in texts:
            if text not in self._texts:
                self._texts[text] = self.rounded(np.mean([direction(word) for word in text.split()], axis=0))
        return np.stack([self._texts[text] for text in texts])

    def install(self, patch, store):
        patch.setattr(embedding, "_vectors", self.texts)
        patch.setattr(embedding, "_ordinary", lambda: np.zeros(WIDTH, np.float32))
        patch.setitem(store.__dict__, "word_vectors", self)
        patch.setattr(store.states, "closeness", self.closeness)

    def times(self, words, directions):
        return directions @ self._words[words].T

    def closeness(self, rows, vector):
        return self._means[rows] @ vector / np.linalg.norm(self._means[rows], axis=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), rules=[on(*pair) for pair in PAIRS])


async def drawn(store, noise: float, seed: int) -> list[list[int]]:
    found = []
    with pytest.MonkeyPatch.context() as patch:
        Processor(store, noise, seed).install(patch, store)
        for index, pair in enumerate(PAIRS):
            everything = whole(store, index, "score")
            guided = await guides(" and ".join(pair), everything.material, encoder=True)
            found.append(drawing(everything.frame, guided, [0, index]).first(80).contexts.tolist())
    return found


async def test_rounding_leaves_the_drawn_contexts_and_their_order_as_they_are(store):
    assert len(PAIRS) >= 40
    exact = await drawn(store, 0, 0)
    for seed in (1, 2, 3):
        assert await drawn(store, 1e-6, seed) == exact


async def test_where_the_label_points_something_is_drawn(store):
    with pytest.MonkeyPatch.context() as patch:
        Processor(store, 0, 0).install(patch, store)
        everything = whole(store, 0, "score")
        for guide in (await guides("penny", everything.material, encoder=True))[:2]:
            holding = ["penny" in "".join(tokens) for tokens in everything.material.tokens()]
            assert guide[holding].min() > guide[~np.array(holding)].max()


def test_a_grid_has_no_border_where_words_are_counted():
    """Sums of squares are whole numbers of quarters: none of their powers may lie where rounding decides."""
    squares = np.arange(1, 4096) / 4
    for steps in (1, 8):
        at = np.log2(squares**0.75) * steps + 0.3
        assert np.abs(at - np.rint(at)).min() > 1e-9
    exact = coarse(squares**0.75)
    np.testing.assert_array_equal(coarse(squares**0.75 * (1 + 1e-12)), exact)
    np.testing.assert_array_equal(coarse(np.array([0.0, 1.0, 2.0])), [0, 1, 2])
