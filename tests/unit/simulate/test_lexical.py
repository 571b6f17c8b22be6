import asyncio

import numpy as np

from labeler.features import Frame
from labeler.simulate.lexical import LexicalSimulator, Searched
from labeler.simulate.reading import WEAK, read
from tests.fakes.evidence import MEANINGS, make_store


def predict(store, frame: Frame, *texts: str):
    return asyncio.run(LexicalSimulator().predict(texts, store.material(frame.contexts)))


def test_it_predicts_the_words_that_are_named_and_no_others(tmp_path):
    store = make_store(tmp_path, n=200)
    frame = store.frame(0, "score")
    found = predict(store, frame, MEANINGS[0], "ships")
    np.testing.assert_array_equal(found[0] > 0, frame.truth > 0)
    assert not np.array_equal(found[1], found[0])


def test_a_place_is_looked_for_within_a_context(tmp_path):
    store = make_store(tmp_path, n=200)
    frame = store.frame(1, "score")
    found = predict(store, frame, 'the word right after "the"')[0]
    words = [list(tokens) for tokens in store.material(frame.contexts).tokens()]
    for row, tokens in enumerate(words):
        expected = [at > 0 and tokens[at - 1] == " the" for at in range(len(tokens))]
        assert (found[row, : len(tokens)] > 0).tolist() == expected


def test_what_is_said_to_be_weak_is_predicted_so(tmp_path):
    store = make_store(tmp_path, n=100)
    found = predict(store, store.frame(0, "score"), '"march"; weakly "june"')
    assert set(np.unique(found)) == {0.0, WEAK, 1.0}


def test_nothing_named_is_nothing_predicted():
    searched = Searched([(" a", " b"), ()], 4)
    for reading, _ in read(""):
        assert not len(searched.find(reading))
    assert not read("")
