import pytest

from labeler.nearest import meant, nearest


@pytest.mark.parametrize(
    ("name", "found"), [("samples", "sample"), ("SAMPLE", "sample"), ("neuron", "neurons"), ("wiki", None), ("", None)]
)
def test_the_known_name_that_is_most_like_it(name, found):
    assert nearest(name, ["sample", "neurons"]) == found


def test_a_message_says_what_may_have_been_meant():
    assert meant("samples", ["sample"]) == " (did you mean 'sample'?)"
    assert meant("wiki", ["sample"]) == ""
