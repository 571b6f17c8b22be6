import pytest

from labeler.errors import InputError
from labeler.explainers import parse_explainer
from labeler.llm.names import LLMName
from labeler.scorers import parse_scorer
from labeler.simulators import parse_simulator


@pytest.mark.parametrize(
    ("text", "name", "llm"),
    [
        ("embedding", "embedding", None),
        ("likelihood=local:smollm2-135m", "likelihood", "local:smollm2-135m"),
        ("anthropic:claude-haiku-5-5", "sparse", "anthropic:claude-haiku-5-5"),
        ("openai:q@http://127.0.0.1:1/v1?a=b", "sparse", "openai:q@http://127.0.0.1:1/v1?a=b"),
        ("sparse=openai:q@http://h:1/v1", "sparse", "openai:q@http://h:1/v1"),
    ],
)
def test_simulators_are_a_method_a_method_and_a_model_or_a_model(text, name, llm):
    method = parse_simulator(text)
    assert (method.name, method.llm) == (name, llm)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magic", "unknown simulator 'magic'; known: sparse, likelihood, logprob, sum, embedding, lexical, or"),
        ("magic=local:m", "unknown simulator 'magic'"),
        ("sparse", "simulator 'sparse' needs a language model: sparse=provider:model"),
        ("sparse=", "needs a language model"),
        ("embedding=local:m", "asks no language model"),
    ],
)
def test_what_is_no_simulator_is_named(text, message):
    with pytest.raises(InputError, match=message):
        parse_simulator(text)


def test_an_llm_alone_is_the_usual_explainer():
    assert parse_explainer("local:smollm2-135m").name == "llm"
    assert parse_explainer("lexical").llm is None


@pytest.mark.parametrize(
    ("parse", "text", "meant"),
    [
        (parse_explainer, "lexcal", "lexical"),
        (parse_simulator, "embeding", "embedding"),
        (parse_simulator, "spars=openai:q", "sparse"),
        (parse_scorer, "Detecton", "detection"),
        (parse_scorer, "embedding-auc", "embedding_auc"),
        (parse_explainer, "claude-haiku-4-5", "anthropic:claude-haiku-4-5"),
        (parse_explainer, "gpt-5-nano", "openai:gpt-5-nano"),
        (parse_simulator, "o3", "openai:o3"),
        (parse_scorer, "smollm2-135m", "local:smollm2-135m"),
        (LLMName.parse, "gpt-5-nano", "openai:gpt-5-nano"),
        (LLMName.parse, "antropic:claude-haiku-4-5", "anthropic"),
    ],
)
def test_what_was_probably_meant_is_said(parse, text, meant):
    with pytest.raises(InputError, match=rf" \(did you mean '{meant}'\?\)$"):
        parse(text)


@pytest.mark.parametrize("text", ["magic", "mistral-7b", ""])
def test_nothing_is_guessed_where_nothing_is_like_it(text):
    with pytest.raises(InputError) as refused:
        parse_simulator(text)
    assert "did you mean" not in str(refused.value)
