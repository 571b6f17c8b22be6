import pytest

from labeler.errors import InputError
from labeler.pipeline.config import check_distinct

HAIKU, DATED = "anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5-20251001"


@pytest.mark.parametrize(
    ("explainers", "says"),
    [
        (["lexical", "lexical"], "explainer 'lexical' is given twice; name it once"),
        ([HAIKU, "lexical", HAIKU], f"explainer '{HAIKU}' is given twice"),
        ([HAIKU, f"llm={HAIKU}"], f"explainers '{HAIKU}' and 'llm={HAIKU}' are one model"),
        (["lexical", HAIKU, DATED], f"explainers '{HAIKU}' and '{DATED}' are one model; name it once"),
    ],
)
def test_no_model_is_asked_the_same_twice_under_any_of_its_names(explainers, says):
    with pytest.raises(InputError, match=says):
        check_distinct(explainers)


def test_different_models_may_explain_beside_each_other():
    check_distinct(["lexical", HAIKU, "openai:gpt-5-nano", "openai:gpt-5-mini", f"{HAIKU}@http://127.0.0.1:8000"])
