import numpy as np
import pytest

from labeler.scorers.discrimination import DiscriminationJudge
from tests.fakes.evidence import RULES, make_store
from tests.unit.scorers.scripted import Scripted, answered, unrecorded, words_of


def after_the(words):
    """Fires on the king behind "the"."""
    return [3.0 if at and words[at - 1] == "the" and word == "king" else 0.0 for at, word in enumerate(words)]


def king(words):
    return [2.0 if word == "king" else 0.0 for word in words]


def nearly_king(words):
    """A near-duplicate of the king: silent at the first place alone."""
    return [2.0 if at and word == "king" else 0.0 for at, word in enumerate(words)]


RULED = (after_the, king, nearly_king, RULES[2], RULES[0])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), n=6000, rules=RULED)


def judge(say=lambda text: True):
    return DiscriminationJudge(Scripted(say), unrecorded)


def test_the_other_contexts_are_a_neighbours_and_were_found_silent(store):
    assert {1, 2} & {other for other, _ in store.nearest(0)}
    questions = judge().questions(store, 0, 400, 0)
    assert len(questions) > 100
    for yes, words in zip(questions.truth, words_of(questions), strict=True):
        assert (max(after_the(words)) > 0) == bool(yes)
        assert max(king(words)) > 0
    assert len(judge().questions(store, 0, 40, 0)) == 40
    assert (store.rows.split[questions.material.at] == 2).all()


def test_a_near_duplicates_contexts_are_left_out(store, monkeypatch):
    """Where the twin fires the meaning is there, whatever this feature's threshold: that is no question."""
    assert store.near_duplicates(2) == (1,)
    near = store.nearest(2)
    monkeypatch.setattr(store, "nearest", lambda index: (*near, (4, 0.1)))
    questions = judge().questions(store, 2, 40, 0)
    others = [words for yes, words in zip(questions.truth, words_of(questions), strict=True) if not yes]
    assert others
    for words in others:
        assert max(king(words)) == 0
        assert max(RULES[0](words)) > 0


def test_neighbours_take_turns(store, monkeypatch):
    monkeypatch.setattr(store, "nearest", lambda index: ((3, 0.9), (4, 0.5)))
    questions = judge().questions(store, 0, 40, 0)
    others = [words for yes, words in zip(questions.truth, words_of(questions), strict=True) if not yes]
    first = np.mean([max(RULES[2](words)) > 0 for words in others])
    second = np.mean([max(RULES[0](words)) > 0 for words in others])
    assert min(first, second) >= 0.5


def test_a_label_that_is_too_broad_is_found_out(store):
    """The king, said of the king behind "the": right in every firing context, wrong in every other."""
    for say, value in ((lambda text: "king" in text, 0.5), (lambda text: "the king" in text, 1.0)):
        one = judge(say)
        questions = one.questions(store, 0, 40, 0)
        assert one.value(questions, answered(one, questions)) == value


def test_without_neighbours_nothing_is_asked(store, monkeypatch):
    monkeypatch.setattr(store, "nearest", lambda index: ())
    questions = judge().questions(store, 0, 40, 0)
    assert len(questions) == 0
    assert "none of the nearest features fires" in questions.reason
