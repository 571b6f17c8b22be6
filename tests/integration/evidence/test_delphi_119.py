"""Delphi's early labels of 119 real GPT-2 features: their contexts scored again, their judges' answers counted again."""

import pytest

from eval.labelled import bring, compare, judgements, read
from labeler.simulators.embedding import EmbeddingSimulator
from labeler.simulators.lexical import LexicalSimulator
from tests.fakes.foreign.real import shared_data


@pytest.fixture(scope="module")
def features():
    return read(shared_data("delphi_gpt2_119") / "features.jsonl")


@pytest.fixture(scope="module")
def shown(features, tmp_path_factory):
    return bring(features, "shown", tmp_path_factory.mktemp("delphi") / "home")


def test_recorded_answers_give_the_balanced_accuracies_of_the_same_rows(features):
    found = judgements(features)
    for kind, mean in (("fuzz", 0.703), ("detection", 0.802)):
        assert found[kind]["features"] == found[kind]["reproduced"] == 119
        assert found[kind]["mean_balanced_accuracy"] == pytest.approx(mean, abs=5e-4)


def test_contexts_come_with_their_activations(features, shown):
    assert shown.manifest.sampling == "top-and-random"
    firing = {context.text for context in shown.evidence(0).contexts}
    texts = ("".join(example.tokens) for example in features[0].train_examples if any(example.values))
    assert firing == {text.removeprefix("<|endoftext|>") for text in texts}


@pytest.mark.long
async def test_true_labels_stand_above_shuffled_ones(features, shown):
    labels = [feature.explanation for feature in features]
    by_meaning = (await compare(EmbeddingSimulator(), labels, shown, "shown", shuffles=3)).summary()
    by_words = (await compare(LexicalSimulator(), labels, shown, "shown", shuffles=3)).summary()
    assert by_meaning["auc"] >= 0.87
    assert by_meaning["own_beats_shuffled"] >= 0.85
    assert abs(by_meaning["mean_shuffled"]) < 0.03
    # Many of these labels speak of kinds of words and name none: the control is not blind, only behind.
    assert 0.6 < by_words["auc"] < by_meaning["auc"]
