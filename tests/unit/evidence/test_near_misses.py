import numpy as np
import pytest

from labeler.evidence.importers.opening import bring
from labeler.evidence.near_misses import evidence_with_near_misses, near_misses
from tests.fakes.evidence import RULES, make_store
from tests.fakes.foreign.toy import save_toy_contexts


def after_the(words):
    """Fires on a word that follows "the": "the" alone, or the word alone, is a near-miss."""
    return [3.0 if at and words[at - 1] == "the" and word == "king" else 0.0 for at, word in enumerate(words)]


def king(words):
    return [2.0 if word == "king" else 0.0 for word in words]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), n=6000, rules=(after_the, king, *RULES[1:3]))


def test_all_were_looked_up_and_found_silent(store):
    found = near_misses(store, 0, "explain", 6)
    assert {miss.kind for miss in found} >= {"token", "embedding"}
    assert len({miss.context.id for miss in found}) == len(found)
    for miss in found:
        words = [token.strip() for token in miss.context.tokens]
        assert max(after_the(words)) == 0
        assert miss.context.split == "explain"


def test_those_by_token_hold_it(store):
    for miss in near_misses(store, 0, "score", 8):
        if miss.kind == "token":
            assert "king" in [token.strip() for token in miss.context.tokens]


def test_weights_speak_for_all_of_their_kind(store):
    """All silent contexts of the corpus with the token, by the weights of a few."""
    by_token = [miss for miss in near_misses(store, 0, "score", 5) if miss.kind == "token"]
    frame = store.frame(0, "score")
    holding = [
        row for row in frame.contexts[~frame.firing] if "king" in [t.strip() for t in store.rows.strings(int(row))]
    ]
    assert len(by_token) == 5
    assert sum(miss.weight for miss in by_token) == pytest.approx(len(holding))


def test_those_by_embedding_are_no_sample(store):
    assert all(miss.weight is None for miss in near_misses(store, 1, "select", 4) if miss.kind == "embedding")


def test_those_by_neighbour_hold_its_activation(store, monkeypatch):
    monkeypatch.setattr(store, "nearest", lambda index: ((1, 0.9),))
    monkeypatch.setattr("labeler.evidence.near_misses.TOP_TOKENS", 0)
    found = [miss for miss in near_misses(store, 0, "score", 5) if miss.kind == "neighbour"]
    assert found
    for miss in found:
        words = [token.strip() for token in miss.context.tokens]
        assert max(king(words)) > 0
        assert max(after_the(words)) == 0
        assert miss.weight is not None


def test_evidence_without_a_pool_has_only_what_came_with_it(tmp_path):
    store = bring(save_toy_contexts(tmp_path), "toy", tmp_path / "dictionaries", None)
    found = near_misses(store, 20, "explain", 5)
    at_hand = set(store.read(20).contexts.tolist())
    assert all(miss.context.id in at_hand and miss.weight is None for miss in found)
    assert all(not np.any(RULES[2]([t.strip() for t in miss.context.tokens])) for miss in found)


def test_an_explainer_is_shown_some_that_were_looked_up_in_explain(store, monkeypatch):
    monkeypatch.setattr(store, "nearest", lambda index: ((2, 0.9),) if index == 0 else ())
    found = evidence_with_near_misses(store, 0)
    at_hand = set(store.frame(0, "explain").contexts[~store.frame(0, "explain").firing].tolist())
    assert len(found.near_misses) == len({miss.document for miss in found.near_misses}) == 4
    for at, miss in enumerate(found.near_misses):
        words = [token.strip() for token in miss.tokens]
        assert miss.id in at_hand
        assert max(after_the(words)) == miss.maximum == 0
        assert ("king" in words) == (at % 2 == 0)  # by turns with those in which a neighbour fires
        assert at % 2 == 0 or "the" in words
    assert {miss.split for miss in found.near_misses} == {"explain"}
    assert [c.id for c in found.contexts] == [c.id for c in store.evidence(0).contexts]
    assert not store.evidence(0).near_misses


def test_of_a_large_pool_a_part_is_looked_at(store, monkeypatch):
    monkeypatch.setattr("labeler.evidence.near_misses.LOOKED_AT", 50)
    found = evidence_with_near_misses(store, 0)
    pool = store.pool("explain")
    assert len(pool) > 500
    assert found.near_misses
    assert {miss.id for miss in found.near_misses} <= set(pool[:: 1 + len(pool) // 50].tolist())


def test_a_feature_without_near_misses_has_none(tmp_path):
    assert evidence_with_near_misses(make_store(tmp_path, rules=RULES[3:]), 0).near_misses == ()
