from pathlib import Path

import pytest

from labeler.errors import InputError
from labeler.evidence.collect.collect import check_same

THERE = {"format": 1, "model": "smollm2-135m", "corpus": "c"}


@pytest.mark.parametrize("model", ["smollm2-135m", "SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"])
def test_evidence_is_added_to_under_any_name_of_its_model(model):
    check_same(THERE, {**THERE, "model": model}, "mine", Path("mine"))


def test_evidence_of_another_model_is_something_else():
    with pytest.raises(InputError, match=r"collected from something else \(model differ\)"):
        check_same(THERE, {**THERE, "model": "gpt2"}, "mine", Path("mine"))
