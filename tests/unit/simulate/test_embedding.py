from labeler.simulate.embedding import ordinary_labels


def test_the_labels_whose_mean_is_taken_off_are_many_and_distinct():
    labels = ordinary_labels()
    assert len(labels) == len(set(labels)) > 90
    assert not any(label.startswith("#") for label in labels)
