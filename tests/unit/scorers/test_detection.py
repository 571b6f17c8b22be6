from collections import Counter

import numpy as np
import pytest

from labeler.evidence.importers.opening import bring
from labeler.scorers.asking import PER_DOCUMENT
from labeler.scorers.detection import DetectionJudge
from tests.fakes.evidence import RULES, make_store
from tests.fakes.foreign.toy import save_toy_contexts
from tests.unit.scorers.scripted import Scripted, answered, unrecorded, words_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"))


def judge(say=lambda text: True):
    return DetectionJudge(Scripted(say), unrecorded)


def test_half_of_the_contexts_fire_and_half_were_found_silent(store):
    questions = judge().questions(store, 0, 80, 0)
    assert questions.truth.sum() == 40
    assert len(questions) == 80
    fires = [max(RULES[0](words)) > 0 for words in words_of(questions)]
    assert fires == (questions.truth == 1).tolist()


def test_no_context_of_explain_or_select_is_asked_about(store):
    for index in range(4):
        questions = judge().questions(store, index, 80, 0)
        documents = {store.rows.document(int(row)) for row in questions.material.at}
        for split in ("explain", "select"):
            others = {store.rows.document(int(row)) for row in store.frame(index, split).contexts}
            assert not documents & others


def test_silent_contexts_are_of_the_pool_where_everything_was_looked_up(store):
    questions = judge().questions(store, 1, 80, 0)
    silent = questions.material.at[questions.truth == 0]
    assert np.isin(silent, store.pool("score")).all()


def test_firing_contexts_go_over_the_whole_range_of_strength(store):
    frame = store.frame(1, "score")
    strength = {int(row): truth.max() for row, truth in zip(frame.contexts, frame.truth, strict=True)}
    everywhere = np.quantile([value for value in strength.values() if value > 0], [0.25, 0.5, 0.75])
    questions = judge().questions(store, 1, 80, 0)
    drawn = [strength[int(row)] for row in questions.material.at[questions.truth == 1]]
    np.testing.assert_allclose(np.quantile(drawn, [0.25, 0.5, 0.75]), everywhere, atol=0.26)


def test_a_document_gives_a_few_at_most(store):
    questions = judge().questions(store, 1, 600, 0)
    for kind in (0, 1):
        documents = Counter(store.rows.document(int(row)) for row in questions.material.at[questions.truth == kind])
        assert max(documents.values()) <= PER_DOCUMENT


def test_the_seed_decides_and_mixes(store):
    first, again, other = (judge().questions(store, 0, 80, seed) for seed in (1, 1, 2))
    assert first.material.at.tolist() == again.material.at.tolist()
    assert first.material.at.tolist() != other.material.at.tolist()
    by_call = first.truth.reshape(8, 10).sum(axis=1)
    assert (by_call > 0).all()
    assert (by_call < 10).all()


def test_a_judge_that_knows_scores_one_and_one_that_always_says_yes_a_half(store):
    for say, value in ((lambda text: "march" in text or "june" in text, 1.0), (lambda text: True, 0.5)):
        one = judge(say)
        questions = one.questions(store, 0, 80, 0)
        answers = answered(one, questions)
        assert one.value(questions, answers) == value
        estimate = one.estimate(questions, answers, precision=0.15, seed=0)
        assert (estimate.value, estimate.state, estimate.n_contexts) == (value, "ok", 80)
        assert estimate.low <= value <= estimate.high


def test_a_feature_that_fires_nowhere_is_not_asked_about(store):
    questions = judge().questions(store, 4, 80, 0)
    assert len(questions) == 0
    assert "fires in none of the contexts" in questions.reason


def test_evidence_without_counts_is_asked_about_too(tmp_path):
    store = bring(save_toy_contexts(tmp_path), "toy", tmp_path / "dictionaries", None)
    questions = judge().questions(store, 20, 40, 0)
    assert 0 < questions.truth.sum() < len(questions)
    fires = [max(RULES[2](words)) > 0 for words in words_of(questions)]
    assert fires == (questions.truth == 1).tolist()
