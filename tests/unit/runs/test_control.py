from labeler.catalogue.records import ChosenLabel
from labeler.runs.control import NULL_POOL, RunLabels


def labels(n):
    return [ChosenLabel(index=i, label=f"label {i}", description="", near_duplicates=()) for i in range(n)]


def test_in_a_large_run_a_sample_of_the_labels_stands_for_all():
    found = RunLabels.of(labels(5 * NULL_POOL))
    assert len(found.by_index) == 5 * NULL_POOL
    indices = [label.index for label in found.pool]
    assert len(set(indices)) == NULL_POOL
    assert indices == sorted(indices)
    assert 2_200 < sum(indices) / NULL_POOL < 2_800


def test_in_a_small_one_all_of_them_are_there():
    assert list(RunLabels.of(labels(3)).pool) == labels(3)
