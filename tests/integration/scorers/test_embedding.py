"""The embedding judge with the real sentence encoder."""

import asyncio

import pytest

from labeler.evidence.importers.opening import bring
from labeler.pipeline.config import RunConfig
from labeler.pipeline.evaluation import foreign_judgements, judge, questions
from labeler.scorers import open_judge, parse_scorer
from tests.fakes.foreign.toy import save_toy_contexts
from tests.unit.scorers.scripted import unrecorded

CONFIG = RunConfig(dictionary="toy", explainers=("lexical",), simulators=("lexical",), sampling="top-and-random")


@pytest.mark.parametrize(
    ("index", "own", "foreign"), [(0, "months: March, June", "coins and pennies"), (30, "a penny", "rivers and ships")]
)
def test_the_true_label_ranks_its_contexts_above_the_others(tmp_path, index, own, foreign):
    store = bring(save_toy_contexts(tmp_path), "toy", tmp_path / "dictionaries", None)
    scorer = open_judge(parse_scorer("embedding_auc"), lambda _: None, unrecorded)

    async def both():
        asked = await questions(scorer, store, index, CONFIG)
        return await judge(scorer, own, store, index, CONFIG), await foreign_judgements(scorer, [foreign], asked)

    found, (other,) = asyncio.run(both())
    assert found.value > 0.8
    assert found.value > other + 0.2
    assert found.low < found.value <= found.high
    assert found.sampling == "top-and-random"
