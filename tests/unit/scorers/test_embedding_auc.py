"""The embedding judge over a fake encoder; the real one is in the integration tests."""

import asyncio

import numpy as np
import pytest

from labeler.errors import MissingExtraError
from labeler.evidence.importers.opening import bring
from labeler.scorers import embedding_auc
from labeler.scorers.embedding_auc import EmbeddingJudge
from tests.fakes.evidence import make_store
from tests.fakes.foreign.toy import save_toy_contexts


@pytest.fixture
def judge(monkeypatch):
    """Closeness is how many of a label's words stand in a context."""

    def guide(text, material):
        return np.array([sum(word in "".join(tokens) for word in text.split()) for tokens in material.tokens()], float)

    monkeypatch.setattr(embedding_auc, "encoder_available", lambda: True)
    monkeypatch.setattr(embedding_auc, "context_guide", guide)
    return EmbeddingJudge()


def test_everything_at_hand_is_ranked_with_its_weight(judge, tmp_path):
    store = make_store(tmp_path)
    questions = judge.questions(store, 0, 2, 0)
    frame = store.frame(0, "score")
    assert questions.material.at.tolist() == frame.contexts.tolist()
    assert questions.weight.tolist() == frame.weight.tolist()
    for text, low, high in (("march june", 1.0, 1.0), ("penny", 0.4, 0.6)):
        answers = asyncio.run(judge.answers(text, questions))
        found = judge.estimate(questions, answers, precision=0.15, seed=0)
        assert low <= found.value <= high
        assert found.value == judge.value(questions, answers)
        assert found.low <= found.value <= found.high
        assert (found.state, found.n_contexts) == ("ok", len(frame))


def test_where_nobody_counted_contexts_stand_for_themselves(judge, tmp_path):
    store = bring(save_toy_contexts(tmp_path), "toy", tmp_path / "dictionaries", None)
    questions = judge.questions(store, 0, 2, 0)
    assert questions.weight is None
    assert questions.design == "top-and-random"
    answers = asyncio.run(judge.answers("march june", questions))
    assert judge.estimate(questions, answers, precision=0.5, seed=0).value == 1


def test_a_feature_that_fires_nowhere_has_no_questions(judge, tmp_path):
    assert "no firing context" in judge.questions(make_store(tmp_path, n=300), 4, 80, 0).reason


def test_without_the_encoder_it_is_refused(monkeypatch):
    monkeypatch.setattr(embedding_auc, "encoder_available", lambda: False)
    with pytest.raises(MissingExtraError, match="'local' extra"):
        EmbeddingJudge()
