import numpy as np

from eval.known.meaning import marks, means, repeated, words


def on(meaning, *tokens):
    return meaning.on("".join(tokens), np.cumsum([len(token) for token in tokens]), len(tokens) + 1).tolist()


def test_a_token_is_as_active_as_the_strongest_place_that_it_overlaps():
    meaning = means("north, and weakly any word of five letters", words("north", 1.0), marks(r"\b\w{5}\b", 0.5))
    assert on(meaning, "no", "rth", " of", " Paris") == [1, 1, 0, 0.5, 0]


def test_only_the_group_fires_where_there_is_one():
    assert on(means("after of", marks(r"of (?P<at>\w+)")), "of", " it") == [0, 1, 0]


def test_what_is_repeated_fires_from_the_second_time_on():
    assert on(means("again", repeated(r"\w+")), "a", " b", " a", " a") == [0, 0, 1, 1, 0]
