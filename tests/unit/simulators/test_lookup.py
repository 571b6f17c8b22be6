import numpy as np

from labeler.simulators import lookup
from tests.fakes.evidence import make_store


def test_a_feature_that_is_a_list_of_tokens_is_looked_up_exactly(tmp_path):
    store = make_store(tmp_path, n=600)
    fitted, frame = store.frame(3, "explain"), store.frame(3, "score")
    table = lookup.fit(fitted, store.material(fitted.contexts).ids)
    predicted = lookup.predict(table, store.material(frame.contexts).ids)
    assert len(table) == 1
    np.testing.assert_array_equal(predicted > 0, frame.truth > 0)


def test_nothing_is_predicted_where_nothing_was_seen():
    assert lookup.predict({}, np.array([[1, 2, -1]])).tolist() == [[0, 0, 0]]
