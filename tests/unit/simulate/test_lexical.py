import asyncio

import numpy as np

from labeler.simulate.lexical import LexicalSimulator, named
from tests.fakes.evidence import MEANINGS, make_store


def test_quoted_words_count_alone_where_there_are_any():
    assert named('the word "to" after a verb') == {"to"}
    assert named("months of the year") == {"month", "year"}
    assert named('closing "}" or ")"') == {"}", ")"}


def test_it_predicts_the_words_that_are_named_and_no_others(tmp_path):
    store = make_store(tmp_path, n=200)
    frame = store.frame(0, "score")
    found = asyncio.run(LexicalSimulator().predict([MEANINGS[0], "ships"], store.material(frame.contexts)))
    np.testing.assert_array_equal(found[0] > 0, frame.truth > 0)
    assert not np.array_equal(found[1], found[0])
