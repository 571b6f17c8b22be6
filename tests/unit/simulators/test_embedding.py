import dataclasses

import numpy as np
import pytest

from labeler.evidence.store.store import EvidenceStore
from labeler.simulators import embedding
from labeler.simulators.embedding import IN_CONTEXT, EmbeddingSimulator, ordinary_labels, parts
from labeler.words import words
from tests.fakes import encoding
from tests.fakes.evidence import make_store, on


def test_the_labels_whose_mean_is_taken_off_are_many_and_distinct():
    labels = ordinary_labels()
    assert len(labels) == len(set(labels)) > 90
    assert not any(label.startswith("#") for label in labels)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("months of the year", ["months of the year"]),
        ("colours: red and blue", ["colours", "red and blue", "red", "blue"]),
        ("war; also peace", ["war", "also peace"]),
        ('"of the" and "in, or at"', ['"of the" and "in, or at"', "of the", "in, or at"]),
        ("", [""]),
    ],
)
def test_a_label_is_taken_apart_where_it_is_a_list(label, expected):
    assert [part.removeprefix("also ") for part in parts(label)] == [part.removeprefix("also ") for part in expected]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Some of its contexts are in the pool, their states stored; the others are encoded when they are first needed."""
    monkeypatch.setattr("labeler.evidence.sampling.POOL", 300)
    monkeypatch.setattr(embedding, "encoder_available", lambda: True)
    encoding.install(monkeypatch, tmp_path / "cache")
    return make_store(tmp_path, n=800, rules=[on("march"), on("the")])


def token_by_token(store, row: int, label: str) -> np.ndarray:
    """The prediction on one context, by what is said of it: no index, no table, one token after the other."""
    tokens = store.rows.strings(row)
    states = np.moveaxis(store.states.times(np.array([row]), np.eye(encoding.WIDTH, dtype=np.float32)), 0, -1)[0]
    directions = [encoding.direction(part) - 0.1 * encoding.direction("ordinary words") for part in parts(label)]
    found = np.zeros(store.manifest.length)
    for at in range(len(tokens)):
        standing = [word.text.lower() for word in words(tokens) if at in word.tokens]
        alone = encoding.direction(standing[-1]) if standing else np.zeros(encoding.WIDTH)
        close = max(d @ (IN_CONTEXT * states[at] + (1 - IN_CONTEXT) * alone) for d in directions)
        found[at] = max(close, 0) ** 4
    return found


async def test_a_token_is_as_active_as_its_closest_part(store):
    outside = np.flatnonzero(store.rows.pool_place < 0)[:6]
    rows = np.concatenate([store.pool("score")[:10], outside, store.pool("select")[:4]])
    labels = ["march", "ships and castles: river, wool; also the old town"]
    found = await EmbeddingSimulator().predict(labels, store.material(rows))
    for label, prediction in zip(labels, found, strict=True):
        expected = [token_by_token(store, row, label) for row in rows]
        np.testing.assert_allclose(prediction, expected, atol=1e-3)
    at = EmbeddingSimulator().at(labels, store.material(rows), np.arange(len(rows)), np.full(len(rows), 2))
    np.testing.assert_allclose(at, found[:, :, 2], atol=1e-6)


async def test_a_labels_vector_does_not_depend_on_what_is_encoded_with_it(store):
    alone = embedding.directions(["march"])
    embedding._vectors._known.clear()
    np.testing.assert_allclose(embedding.directions(["a longer label", "march", "penny"])[1:2], alone, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 5])
async def test_evidence_that_came_without_states_is_encoded(store, n, monkeypatch):
    material = store.material(store.pool("score")[:n])
    expected = await EmbeddingSimulator().predict(["march"], material)
    bare = EvidenceStore(store.shelf.place)
    monkeypatch.setattr(bare, "manifest", dataclasses.replace(store.manifest, states=()))
    found = await EmbeddingSimulator().predict(["march"], bare.material(material.at))
    assert found.shape == expected.shape == (1, n, bare.manifest.length)
    assert EmbeddingSimulator().sums(["march"], bare.material(material.at)).shape == (1, n, 2)
    assert len(embedding.context_guide("march", bare.material(material.at))) == n
