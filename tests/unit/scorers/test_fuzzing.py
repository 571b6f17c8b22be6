"""Right and wrong marks, which nobody can tell apart without reading."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from labeler.metrics import balanced_accuracy
from labeler.scorers.fuzzing import FuzzingJudge, sheet, taker
from tests.fakes.evidence import RULES, make_store, on
from tests.unit.scorers.scripted import Scripted, answered, marked_words, unrecorded, words_of


def late(words):
    """Fires late in a context and on several neighbours: its marks have a shape of their own."""
    return [
        2.0 + at if at >= 4 and word in ("the", "town", "river", "king", "march") else 0.0
        for at, word in enumerate(words)
    ]


RULED = (*RULES[:4], late, on("the", "king", "river", "and", "of", "town"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), n=4000, rules=RULED)


def judge(say=lambda text: True):
    return FuzzingJudge(Scripted(say), unrecorded)


@pytest.mark.parametrize("index", range(len(RULED)))
def test_right_marks_stand_where_it_fires_and_wrong_ones_where_it_does_not(store, index):
    questions = judge().questions(store, index, 80, 0)
    assert questions.truth.sum() == len(questions) / 2 > 20
    assert len(set(questions.material.at.tolist())) == len(questions)  # a context is in one class only
    for right, words, marks in zip(questions.truth, words_of(questions), questions.marks, strict=True):
        values = RULED[index](words)
        active = tuple(at for at, value in enumerate(values) if value > 0)
        assert active  # both kinds are firing contexts
        assert marks
        if right:
            assert marks == active
        else:
            assert not set(marks) & set(active)
            assert max(marks) < len(words)


@pytest.mark.parametrize("index", range(len(RULED)))
def test_of_every_pattern_of_marks_there_is_a_right_and_a_wrong_one(store, index):
    questions = judge().questions(store, index, 80, 0)
    right, wrong = (
        Counter(marks for marks, truth in zip(questions.marks, questions.truth, strict=True) if truth == kind)
        for kind in (1, 0)
    )
    assert right == wrong


def seen(marks, length):
    """What a judge who cannot read sees: places, how many, runs, and how far from the end."""
    runs = "".join("x" if at in marks else "." for at in range(length))
    return [marks[0], marks[-1], len(marks), runs.strip("."), length - marks[-1], (marks[0], length)]


def blind(items, truth):
    """The best balanced accuracy of learning, from half of the questions, which kind goes with what is seen."""
    best = 0.0
    for column in range(len(items[0])):
        table = defaultdict(list)
        for item, yes in zip(items[::2], truth[::2], strict=True):
            table[item[column]].append(yes)
        said = [np.mean(table.get(item[column], [0.5])) >= 0.5 for item in items[1::2]]
        best = max(best, balanced_accuracy(truth[1::2], said).value)
    return best


def test_a_judge_who_sees_only_marks_is_right_half_of_the_time(store):
    items, truth = [], []
    for seed in range(12):
        for index in range(len(RULED)):
            questions = judge().questions(store, index, 80, seed)
            lengths = [len(tokens) for tokens in questions.material.tokens()]
            items += [seen(marks, length) for marks, length in zip(questions.marks, lengths, strict=True)]
            truth += [bool(one) for one in questions.truth]
    assert len(truth) > 3000
    assert blind(items, truth) < 0.53


def test_the_same_judge_finds_out_marks_that_were_put_without_care(store):
    """As others do it: wrong marks always begin at one place, and there is one of them."""
    items, truth = [], []
    for index in range(len(RULED)):
        questions = judge().questions(store, index, 80, 0)
        for marks, yes, tokens in zip(questions.marks, questions.truth, questions.material.tokens(), strict=True):
            items.append(seen(marks if yes else (len(tokens) // 2,), len(tokens)))
            truth.append(bool(yes))
    assert blind(items, truth) > 0.7


def test_a_judge_that_reads_the_marks_scores_one_and_one_that_reads_the_rest_a_half(store):
    named = {"march", "june"}
    for say, value in ((lambda text: bool(marked_words(text) & named), 1.0), (lambda text: "march" in text, 0.5)):
        one = judge(say)
        questions = one.questions(store, 0, 80, 0)
        found = one.estimate(questions, answered(one, questions), precision=0.15, seed=0)
        assert found.value == pytest.approx(value, abs=0 if value == 1 else 0.1)


def test_white_space_is_never_marked():
    of = sheet(0, [" a", "\n", " b", "  ", " c"], np.array([1.0, 1, 0, 0, 0], np.float32))
    assert of.active == (0,)
    assert of.free == {2, 4}


def test_marks_keep_their_places_and_begin_words_as_before():
    giver = sheet(0, [" a", " b", "c"], np.array([0, 1.0, 0], np.float32))
    inside = sheet(1, [" x", "y", " z"], np.array([1.0, 0, 0], np.float32))
    begins = sheet(2, [" x", " y", " z", " q"], np.array([1.0, 0, 0, 0], np.float32))
    firing = sheet(3, [" x", " y", " z"], np.array([0, 1.0, 0], np.float32))
    assert taker(giver, [inside, begins, firing]) is begins
    assert taker(giver, [inside, firing]) is None


def test_who_takes_marks_is_as_long_as_can_be_had():
    giver = sheet(0, [" a", " b", " c"], np.array([0, 1.0, 0], np.float32))
    others = [sheet(at, [" x"] * at, np.zeros(at, np.float32)) for at in (8, 4, 2, 6)]
    assert taker(giver, others).row == 4


def test_where_no_marks_can_be_moved_nothing_is_asked(tmp_path):
    everywhere = make_store(tmp_path, n=300, rules=(lambda words: [1.0] * len(words),))
    questions = judge().questions(everywhere, 0, 40, 0)
    assert len(questions) == 0
    assert "silent and not blank" in questions.reason
