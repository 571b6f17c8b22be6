from collections import Counter

import numpy as np
import pytest

from labeler.scorers.intruder import CONTEXTS_A_SET, IntruderJudge
from tests.fakes.evidence import RULES, make_store
from tests.unit.scorers.scripted import Scripted, answered, marked_words, unrecorded, words_of
from tests.unit.scorers.test_fuzzing import late

RULED = (*RULES[:4], late)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), n=4000, rules=RULED)


def judge(say=lambda contexts: 1):
    return IntruderJudge(Scripted(say), unrecorded)


def sets_of(questions):
    """(place of the odd one, words of the contexts, their marks) of every set."""
    words, marks = words_of(questions), questions.marks
    for at, place in enumerate(questions.truth.tolist()):
        here = slice(at * CONTEXTS_A_SET, (at + 1) * CONTEXTS_A_SET)
        yield place, words[here], marks[here]


@pytest.mark.parametrize("index", range(len(RULED)))
def test_four_are_marked_where_it_fires_and_one_was_found_silent(store, index):
    questions = judge().questions(store, index, 40, 0)
    assert len(questions) >= 5
    assert len(set(questions.material.at.tolist())) == CONTEXTS_A_SET * len(questions)
    assert (store.rows.split[questions.material.at] == 2).all()
    for place, words, marks in sets_of(questions):
        for at in range(CONTEXTS_A_SET):
            active = tuple(i for i, value in enumerate(RULED[index](words[at])) if value > 0)
            if at == place:
                assert not active
                assert 0 <= max(marks[at]) < len(words[at])
            else:
                assert marks[at] == active != ()


def test_forty_sets_of_eighty_contexts(store):
    assert len(judge().questions(store, 1, 80, 0)) == 40


def lonely(marks):
    """The place of the one whose marks stand farthest from the others' average: what a judge sees who cannot read."""
    shape = np.array([[m[0], m[-1], len(m)] for m in marks], dtype=float)
    return int(np.abs(shape - shape.mean(axis=0)).sum(axis=1).argmax())


def test_marks_and_places_alone_are_right_one_time_in_five(store):
    guesses: dict[str, list[bool]] = {"lonely": [], "first": [], "same as another": []}
    places: Counter[int] = Counter()
    for seed in range(12):
        for index in range(len(RULED)):
            for place, _, marks in sets_of(judge().questions(store, index, 40, seed)):
                places[place] += 1
                guesses["lonely"].append(lonely(marks) == place)
                guesses["first"].append(place == 0)
                counts = [marks.count(m) for m in marks]
                guesses["same as another"].append(int(np.argmax(counts)) == place)
    n = sum(places.values())
    assert n > 700
    for right in guesses.values():
        assert np.mean(right) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / n))


def test_a_judge_that_reads_finds_it_and_the_label_is_not_told(store):
    named = {"march", "june"}
    one = judge(lambda contexts: next(at for at, text in enumerate(contexts, 1) if not marked_words(text) & named))
    questions = one.questions(store, 0, 40, 0)
    answers = answered(one, questions, "a label that nobody may see")
    found = one.estimate(questions, answers, precision=0.15, seed=0)
    assert (found.value, found.n_contexts) == (1.0, 20)
    assert 0.8 < found.low < 1
    assert not [r for r in one._asker._backend.asked if "nobody may see" in r.prompt + r.system]
    assert (one.labelled, one.chance) == (False, 0.2)


def test_who_always_names_the_first_is_right_by_chance(store):
    one = judge()
    questions = one.questions(store, 1, 80, 3)
    assert one.value(questions, answered(one, questions)) == pytest.approx(0.2, abs=0.2)


def test_too_few_firing_contexts_make_no_set(tmp_path):
    rare = make_store(tmp_path, n=120, rules=(lambda words: [float(words[:2] == ["penny", "for"])] * len(words),))
    questions = judge().questions(rare, 0, 40, 0)
    assert len(questions) == 0
    assert "it takes 5" in questions.reason
