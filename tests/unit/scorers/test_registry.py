import pytest

from labeler.errors import InputError
from labeler.scorers import open_judge, parse_scorer
from tests.unit.scorers.scripted import Scripted, unrecorded


@pytest.mark.parametrize("name", ["detection", "fuzzing", "discrimination", "intruder"])
def test_a_name_opens_its_judge_with_its_own_prompt(name):
    backend = Scripted(lambda text: True)
    judge = open_judge(parse_scorer(f"{name}=openai:scripted"), {"openai:scripted": backend}.__getitem__, unrecorded)
    assert (judge.name, judge.source, judge.free) == (name, "openai:scripted", False)
    assert judge.prompt.startswith(f"{name}@")


def test_an_llm_alone_is_asked_for_detection():
    assert parse_scorer("anthropic:claude-haiku-5-5").name == "detection"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fuzz", "unknown scorer 'fuzz'; known: detection, fuzzing, discrimination, intruder, embedding_auc"),
        ("fuzzing", "scorer 'fuzzing' needs a language model"),
        ("embedding_auc=openai:m", "scorer 'embedding_auc' asks no language model"),
    ],
)
def test_what_is_no_scorer_is_refused_in_one_line(text, line):
    with pytest.raises(InputError, match=line):
        parse_scorer(text)
