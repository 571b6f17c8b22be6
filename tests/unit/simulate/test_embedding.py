import pytest

from labeler.simulate.embedding import ordinary_labels, parts


def test_the_labels_whose_mean_is_taken_off_are_many_and_distinct():
    labels = ordinary_labels()
    assert len(labels) == len(set(labels)) > 90
    assert not any(label.startswith("#") for label in labels)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("months of the year", ["months of the year"]),
        ("colours: red and blue", ["colours", "red and blue", "red", "blue"]),
        ("war; also peace", ["war", "also peace"]),
        ('"of the" and "in, or at"', ['"of the" and "in, or at"', "of the", "in, or at"]),
        ("", [""]),
    ],
)
def test_a_label_is_taken_apart_where_it_is_a_list(label, expected):
    assert [part.removeprefix("also ") for part in parts(label)] == [part.removeprefix("also ") for part in expected]
