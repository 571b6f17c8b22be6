import pytest

from labeler.errors import InputError
from labeler.llm import errors
from labeler.llm import refusals as failures
from labeler.llm.errors import KINDS, LLMError


def every(kind):
    return [kind, *(found for below in kind.__subclasses__() for found in every(below))]


@pytest.mark.parametrize("error", [*every(LLMError), *every(InputError)], ids=lambda error: error.__name__)
def test_every_error_is_of_a_kind_that_failures_can_be_counted_by(error):
    assert error.kind in KINDS


def test_a_more_special_error_is_of_its_own_kind_or_of_the_general_one():
    assert failures.RejectionError.kind == "rejected"
    assert failures.FaultError.kind == "busy"
    assert errors.OversizedError.kind == "malformed"
    assert errors.TooLongError.kind == "too-long"
    assert len(set(KINDS)) == len(KINDS)
