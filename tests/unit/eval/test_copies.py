"""The benchmark of copies finds what leaks, and that nothing does."""

import numpy as np

from eval.bench.copies import Leaks, measure


def test_nothing_leaks_out_of_a_corpus_that_repeats_itself():
    figures = measure(400)
    assert figures["leaks"] == 0
    assert figures["leaks_by_name"] > 0.2 * figures["contexts"]
    assert figures["left_out"] < 0.1 * figures["contexts"]


def test_what_two_splits_share_is_seen():
    long = "the river that runs behind the old house by the hill was never as cold as in that year"
    texts = [long, "and " + long.upper(), "quite another text", "Met", "meet", "met"]
    found = Leaks()
    found.add(texts, np.array([0, 2, 2, 0, 1, 2], dtype=np.uint8))
    assert found.count() == 4
    nothing = Leaks()
    nothing.add(texts, np.array([0, 0, 2, 1, 2, 1], dtype=np.uint8))
    assert nothing.count() == 0
