"""Choosing between candidates on ``select``."""

import numpy as np
import pytest

from labeler.features import Explanation
from labeler.pipeline.feature import choose
from labeler.pipeline.scoring import whole
from labeler.simulators.lexical import LexicalSimulator
from tests.fakes.evidence import MEANINGS, make_store


def candidates(*labels: str) -> list[Explanation]:
    return [Explanation(label=label, explainer="given") for label in labels]


class Counting(LexicalSimulator):
    """Says how often it was asked, and is off by what another processor would round."""

    asked = 0
    rounding = 0.0

    async def predict(self, texts, material):
        self.asked += 1
        return await super().predict(texts, material) * (1 + self.rounding * np.arange(len(texts))[:, None, None])


@pytest.fixture(scope="module")
def on_select(tmp_path_factory):
    return whole(make_store(tmp_path_factory.mktemp("home"), n=600), 0, "select")


async def test_the_label_that_fits_best_is_chosen_and_all_are_scored(on_select):
    chosen, values = await choose(Counting(), candidates("salt", "", MEANINGS[0]), on_select)
    assert chosen == 2
    assert values[1] is None
    assert values[2] > 0.9 > values[0]


@pytest.mark.parametrize("labels", [("salt",), ("", "salt"), ("", "")])
async def test_where_there_is_nothing_to_choose_nothing_is_simulated(on_select, labels):
    simulator = Counting()
    chosen, values = await choose(simulator, candidates(*labels), on_select)
    assert labels[chosen] == ("salt" if any(labels) else "")
    assert values == [None] * len(labels)
    assert not simulator.asked


async def test_a_label_alone_is_scored_where_it_may_be_too_weak(on_select):
    _, values = await choose(Counting(), candidates(MEANINGS[0]), on_select, always=True)
    assert values[0] > 0.9
    assert await choose(Counting(), candidates(""), on_select, always=True) == (0, [None])


async def test_labels_that_say_the_same_are_as_good_on_every_processor(on_select):
    for rounding in (-1e-9, 1e-9):
        simulator = Counting()
        simulator.rounding = rounding
        assert (await choose(simulator, candidates("march, june", "june, march"), on_select))[0] == 0
