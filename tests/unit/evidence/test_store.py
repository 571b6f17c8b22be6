import numpy as np
import pytest

from labeler.errors import InputError
from labeler.evidence import gather
from labeler.evidence.gather import Gathering, keep
from labeler.evidence.sampling import split_of
from labeler.evidence.store import EvidenceStore
from labeler.features import SPLITS
from tests.fakes.evidence import RULES, make_store, sentences, shards_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"))


CONTEXTS = sentences(1500)


def truly_firing(feature: int) -> list[int]:
    return [i for i, words in enumerate(CONTEXTS) if max(RULES[feature](words)) > 0]


def test_counts_are_those_of_the_whole_corpus(store):
    for feature in range(len(RULES)):
        assert store.firing_contexts()[feature].sum() == len(truly_firing(feature))
        active = sum(value > 0 for words in CONTEXTS for value in RULES[feature](words))
        assert store.evidence(feature).statistics.n_firing == active
    population = store.evidence(1).population
    assert population.sum() == 1500
    by_split = np.bincount([split_of(f"document-{i // 10}") for i in range(1500)], minlength=3)
    np.testing.assert_array_equal(population.sum(axis=1), by_split)


def test_contexts_come_back_with_their_words_and_activations(store):
    for context in store.evidence(0).contexts:
        words = [token.strip() for token in context.tokens]
        np.testing.assert_allclose(context.activations, RULES[0](words), rtol=1e-3)
        assert SPLITS.index(context.split) == split_of(context.document)


def test_contexts_are_ordered_by_strength_and_splits_share_no_document(store):
    evidence = store.evidence(2)
    maxima = [context.maximum for context in evidence.contexts]
    assert maxima == sorted(maxima, reverse=True)
    documents = [{context.document for context in evidence.of(split)} for split in SPLITS]
    assert not documents[0] & documents[1]
    assert not documents[0] & documents[2]
    assert not documents[1] & documents[2]


@pytest.mark.parametrize("split", SPLITS)
def test_a_frame_adds_up_to_its_split_of_the_corpus(store, split):
    for feature in range(len(RULES)):
        frame = store.frame(feature, split)
        population = store.evidence(feature).population[SPLITS.index(split)]
        assert frame.weight.sum() == pytest.approx(population.sum())
        assert frame.weight[frame.firing].sum() == pytest.approx(population[1:].sum())


def test_silent_contexts_of_a_frame_were_looked_up(store):
    frame = store.frame(3, "score")
    for row, fires in zip(frame.contexts, frame.firing, strict=True):
        words = [token.strip() for token in store.strings(row)]
        assert (max(RULES[3](words)) > 0) == fires


def test_a_small_pool_and_reservoir_still_speak_for_the_corpus(monkeypatch):
    """Where not everything can be kept, weights make up for what was left out."""
    monkeypatch.setattr(gather, "POOL", 300)
    monkeypatch.setattr(gather, "RESERVOIR", 10)
    monkeypatch.setattr(gather, "TOP", 5)
    shards = shards_of(CONTEXTS)
    gathering = Gathering(len(RULES))
    for number, shard in enumerate(shards):
        gathering.add(number, shard)
    kept = keep(gathering, lambda: enumerate(shards)).arrays
    assert kept["contexts.pool"].sum() == 300
    for feature in range(len(RULES)):
        span = slice(kept["pairs.offsets"][feature], kept["pairs.offsets"][feature + 1])
        sampled = kept["pairs.sampled"][span]
        stratum = kept["pairs.stratum"][span][sampled]
        split = kept["contexts.split"][kept["pairs.context"][span]][sampled]
        for s in range(3):
            for h in np.unique(stratum[split == s]):
                at_hand = ((split == s) & (stratum == h)).sum()
                assert min(10, gathering.population[feature, s, h]) <= at_hand <= gathering.population[feature, s, h]


def test_the_order_of_pieces_does_not_matter_for_what_is_kept():
    whole, halves = Gathering(len(RULES)), Gathering(len(RULES))
    for number, shard in enumerate(shards_of(CONTEXTS, per_shard=1500)):
        whole.add(number, shard)
    for number, shard in enumerate(shards_of(CONTEXTS, per_shard=70)):
        halves.add(number, shard)
    whole.settle()
    halves.settle()
    assert sorted(whole.pairs[["feature", "context"]].tolist()) == sorted(halves.pairs[["feature", "context"]].tolist())
    np.testing.assert_array_equal(whole.histogram, halves.histogram)


def test_an_index_out_of_range_is_named(store):
    with pytest.raises(InputError, match="feature 5 is out of range: 'toy' has features 0 to 4"):
        store.evidence(5)
    with pytest.raises(InputError, match="feature -1 is out of range"):
        store.frame(-1, "score")


def test_a_damaged_file_is_named(tmp_path):
    made = make_store(tmp_path, n=50)
    (made.folder / "active.value.npy").write_bytes(b"not an array")
    with pytest.raises(InputError, match=r"active\.value\.npy: missing or damaged"):
        EvidenceStore(made.folder).evidence(0)


def test_a_folder_without_a_manifest_is_no_store(tmp_path):
    with pytest.raises(InputError, match="no evidence at"):
        EvidenceStore(tmp_path)
