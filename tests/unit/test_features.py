import numpy as np
import pytest

from labeler.errors import InputError
from labeler.features import Context, Explanation


def context(tokens, activations):
    return Context(
        id=7, document="d", split="score", tokens=tokens, activations=np.array(activations, dtype=np.float32)
    )


def test_tokens_and_activations_must_be_as_many():
    with pytest.raises(InputError, match="context 7 of 'd' has 2 tokens but 3 activations"):
        context(("a", "b"), [0, 1, 2])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_activations_must_be_finite(bad):
    with pytest.raises(InputError, match="NaN or infinite activations"):
        context(("a",), [bad])


def test_what_is_simulated_is_the_label_and_then_the_description():
    assert Explanation(label="months", description="Names of months.", explainer="x").text == "months. Names of months."
    assert Explanation(label="months", explainer="x").text == "months"
    assert Explanation(label="", explainer="x").unclear
