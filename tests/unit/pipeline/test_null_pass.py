import numpy as np
import pytest

from labeler.catalogue.labels import ENOUGH
from labeler.catalogue.records import ChosenLabel, ScoreRecord
from labeler.pipeline.null_pass import NULL_POOL, RunLabels, placed


def labels(n):
    return [ChosenLabel(index=i, label=f"label {i}", description="", near_duplicates=()) for i in range(n)]


def cluster(members, text="the word {}"):
    """Near-duplicates of one another."""
    return [
        ChosenLabel(
            index=i,
            label=text.format(i),
            description="",
            near_duplicates=tuple(other for other in members if other != i),
        )
        for i in members
    ]


def test_in_a_large_run_a_sample_of_the_labels_stands_for_all():
    found = RunLabels.of(labels(5 * NULL_POOL))
    assert len(found.by_index) == 5 * NULL_POOL
    indices = [label.index for label in found.pool]
    assert len(set(indices)) == NULL_POOL
    assert indices == sorted(indices)
    assert 2_200 < sum(indices) / NULL_POOL < 2_800


def test_in_a_small_one_all_of_them_are_there():
    assert list(RunLabels.of(labels(3)).pool) == labels(3)


def test_a_group_of_near_duplicates_has_one_label_among_the_foreign_ones():
    found = RunLabels.of([*labels(5), *cluster(range(100, 246))])
    assert [label.index for label in found.pool] == [0, 1, 2, 3, 4, 100]
    assert len(found.by_index) == 5 + 146
    assert sorted(found.foreign(found.by_index[2], seed=0)) == [
        "label 0",
        "label 1",
        "label 3",
        "label 4",
        "the word 100",
    ]


def test_no_member_of_a_group_is_held_against_another():
    found = RunLabels.of([*labels(5), *cluster(range(100, 246))])
    for member in (100, 101, 245):
        assert sorted(found.foreign(found.by_index[member], seed=0)) == [f"label {i}" for i in range(5)]


def test_labels_that_read_the_same_count_once_and_are_not_held_against_each_other():
    same = [
        ChosenLabel(index=10 + i, label=t, description=t, near_duplicates=())
        for i, t in enumerate(("War", " war", "WAR"))
    ]
    found = RunLabels.of([*labels(2), *same])
    assert [label.index for label in found.pool] == [0, 1, 10]
    for own in same:
        assert sorted(found.foreign(found.by_index[own.index], seed=0)) == ["label 0", "label 1"]


def test_foreign_labels_come_in_an_order_of_their_own_for_every_feature():
    found = RunLabels.of(labels(50))
    first, second = (found.foreign(found.by_index[i], seed=0) for i in (0, 1))
    assert first != second
    assert first == found.foreign(found.by_index[0], seed=0)
    assert set(first) == {f"label {i}" for i in range(1, 50)}


def test_a_null_that_is_large_enough_gives_a_place_in_it_and_a_small_one_only_its_mean():
    score = ScoreRecord(key="simulation.embedding", state="ok", value=0.5, details={"contexts": [1]})
    null = list(np.linspace(0, 0.95, ENOUGH))
    large, small = placed(score, null), placed(score, [0.1, None])
    assert large.null_percentile == pytest.approx(55.0)
    assert (small.null_percentile, small.null_mean) == (None, 0.05)
    assert small.details == {"contexts": [1], "null": [0.1, None]}
