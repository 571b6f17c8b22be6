import asyncio
import re
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.evidence.store.store import Material
from labeler.features import Frame
from labeler.simulators.lexical import LexicalSimulator, named
from labeler.simulators.word_rules import WEAK, read
from labeler.words import words
from tests.fakes.evidence import MEANINGS, make_store
from tests.fakes.small_store import LENGTH, small_material


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
    store = make_store(tmp_path, n=400)
    found = predict(store, store.frame(0, "score"), '"march"; weakly "june"')
    assert set(np.unique(found)) == {0.0, WEAK, 1.0}


def test_nothing_named_is_nothing_predicted():
    material = small_material([(" a", " b"), ()])
    assert not named([""], material).any()
    assert not read("")


def read_through(text: str, contexts, length: int) -> np.ndarray:
    """The same prediction without any index: every context split into words, and searched as one text with all others."""
    owner = [-1]
    by_stem = defaultdict(list)
    for row, tokens in enumerate(contexts):
        owner += [row * length + at for at, token in enumerate(tokens) for _ in token]
        owner.append(-1)
        for word in words(tokens):
            by_stem[word.stem] += [row * length + at for at in word.tokens]
    joined = "\0".join("".join(tokens) for tokens in contexts)
    found = np.zeros(len(contexts) * length, dtype=np.float32)
    for reading, strength in read(text):
        at = {token for key in reading.stems for token in by_stem[key]}
        for pattern in reading.patterns:
            for match in re.finditer(pattern, joined, re.MULTILINE):
                begin, end = match.span("at" if "at" in match.re.groupindex else 0)
                at.update(owner[begin + 1 : end + 1])
        for token in at - {-1}:
            found[token] = max(found[token], strength)
    return found.reshape(len(contexts), length)


LABELS = (
    "runs, cats and dogs",
    '"the"; weakly "of the"',
    "commas",
    "punctuation marks",
    "the start of a line",
    "the end of a line",
    "indentation",
    "the first word of a sentence",
    "words that end in -ing",
    "digits after a dollar sign",
    'the word before "of"',
    "words in capitals",
    "snake case names; weakly line breaks",
    "numbers with a percent sign",
    'words with "an"',
    "triple quotes and brackets",
    '"snake_case"; weakly "ski-in"',
)

pieces = st.text(alphabet="aAnigs d$9%.,;\n\t_'’\"()é½İ\0-", min_size=0, max_size=4) | st.sampled_from(
    [
        " the",
        " of",
        "running",
        " cats",
        " Dog",
        "DOGS",
        "\n    ",
        " $",
        "12",
        "5%",
        ". The",
        "snake_case",
        "SNAKE_CASE",
        "\u017fK\u0131-\u0130n",
        " ski-in",
        "ski-ing",
        "),",
        '"""',
        "don't",
    ]
)
contexts_of_pieces = st.lists(st.lists(pieces, max_size=LENGTH), min_size=2, max_size=12)


@settings(max_examples=150, deadline=None)
@given(contexts_of_pieces, st.lists(st.sampled_from(LABELS), min_size=1, max_size=4), st.data())
def test_looking_words_up_finds_what_reading_through_finds(contexts, labels, data):
    pooled = data.draw(st.lists(st.booleans(), min_size=len(contexts), max_size=len(contexts)))
    material = small_material(contexts, pooled)
    found = named(labels, material)
    for text, prediction in zip(labels, found, strict=True):
        np.testing.assert_array_equal(prediction, read_through(text, contexts, LENGTH))
    # Of some of them, in another order, which is how a feature has them.
    at = np.array(data.draw(st.permutations(range(len(contexts))))[: max(1, len(contexts) // 2)])
    some = [contexts[row] for row in at]
    for text, prediction in zip(labels, named(labels, Material(material.store, at)), strict=True):
        np.testing.assert_array_equal(prediction, read_through(text, some, LENGTH))


@pytest.mark.parametrize("label", LABELS)
def test_what_was_found_in_the_pool_before_is_found_there_again(label, tmp_path):
    store = make_store(tmp_path, n=300)
    material = store.material(store.pool("score"))
    first = named([label], material)
    np.testing.assert_array_equal(named([label], store.material(store.pool("score"))), first)
    np.testing.assert_array_equal(named([label], store.material(store.pool("score")[1:-1]))[:, 1:-1], first[:, 2:-2])
