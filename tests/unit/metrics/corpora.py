"""Synthetic corpora of one feature with a prediction, and draws from them."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

LENGTH = 8


@dataclass(frozen=True)
class Corpus:
    """Arrays in the order in which `simulation` takes them."""

    truth: np.ndarray
    prediction: np.ndarray
    lengths: np.ndarray
    weight: np.ndarray
    stratum: np.ndarray

    def __iter__(self):
        return iter((self.truth, self.prediction, self.lengths, self.weight, self.stratum))

    def take(self, rows, weight=None):
        parts = [part[rows] for part in self]
        return Corpus(*parts[:3], parts[3] if weight is None else weight, parts[4])


def corpus(seed=0, n=600, firing=0.3, hit=0.7, alarm=0.1, noise=0.0, weight=1.0):
    """Contexts of which some fire on a token or two; the prediction finds a part of them and has false alarms."""
    rng = np.random.default_rng(seed)
    fires = np.arange(n) < round(firing * n)
    on = (rng.random((n, LENGTH)) < 0.15) | (np.arange(LENGTH) == rng.integers(4, size=n)[:, None])
    truth = np.where(on & fires[:, None], rng.lognormal(0, 0.6, (n, LENGTH)), 0.0)
    found = np.where(truth > 0, truth**0.7 * rng.lognormal(0, 0.5, (n, LENGTH)), 0.0) * (rng.random(n) < hit)[:, None]
    alarms = (rng.random(n) < alarm) & ~fires
    spikes = np.where(on & alarms[:, None], rng.lognormal(-0.2, 0.6, (n, LENGTH)), 0.0)
    lengths = rng.integers(4, LENGTH + 1, size=n)
    behind = np.arange(LENGTH) >= lengths[:, None]
    truth[behind] = 0.0
    prediction = np.where(behind, 0.0, found + spikes + noise * rng.standard_normal((n, LENGTH)))
    top = truth.max(1)
    stratum = np.where(top > 0, np.clip(np.floor(np.log2(np.maximum(top, 1e-9))) + 4, 1, 9), 0).astype(np.int64)
    return Corpus(truth, prediction, lengths, np.full(n, weight), stratum)


def systematic_draw(of, n, rng):
    """A systematic draw with probability proportional to size: part activation, part uniform; weights are w / π."""
    size = np.sqrt((of.truth**2).sum(1)) * of.weight
    size = 0.6 * size / size.sum() + 0.4 * of.weight / of.weight.sum()
    probability = np.minimum(1.0, n * size)
    for _ in range(50):
        certain = probability >= 1
        probability = np.where(certain, 1.0, np.minimum(1.0, (n - certain.sum()) * size / size[~certain].sum()))
    edges = np.concatenate([[0.0], np.cumsum(probability)]) + rng.random()
    rows = np.flatnonzero(np.floor(edges[1:]) > np.floor(edges[:-1]))
    return of.take(rows, of.weight[rows] / probability[rows])


@st.composite
def corpora(draw, n_max=30):
    """Small corpora of any kind: constant sides, single contexts, empty contexts and equal weights included."""
    n = draw(st.integers(1, n_max))
    found = corpus(
        seed=draw(st.integers(0, 2**32 - 1)),
        n=n,
        firing=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        hit=draw(st.sampled_from([0.0, 0.5, 1.0])),
        alarm=draw(st.sampled_from([0.0, 0.3])),
        noise=draw(st.sampled_from([0.0, 0.2])),
    )
    weight = np.array(draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)), dtype=np.float64)
    return found.take(np.arange(n), weight)
