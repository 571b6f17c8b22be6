import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.words import stem, words


@given(st.lists(st.text(max_size=6), max_size=12))
def test_every_word_stands_where_it_says_and_covers_its_tokens(tokens):
    text = "".join(tokens)
    for word in words(tokens):
        assert text[word.start : word.end] == word.text
        assert word.text in "".join(tokens[word.tokens.start : word.tokens.stop])


def test_a_word_is_whole_although_its_tokens_are_pieces():
    found = words((" un", "believ", "able", ",", " no"))
    assert [(w.text, list(w.tokens)) for w in found] == [("unbelievable", [0, 1, 2]), (",", [3]), ("no", [4])]


@pytest.mark.parametrize(
    ("one", "other"),
    [("month", "months"), ("march", "Marches"), ("city", "cities"), ("walk", "walked"), ("move", "moving")],
)
def test_inflections_of_a_word_have_one_stem(one, other):
    assert stem(one) == stem(other)


def test_short_words_keep_their_letters():
    assert stem("as") == "as"
    assert stem("the") == "the"
    assert stem("class") == "class"
