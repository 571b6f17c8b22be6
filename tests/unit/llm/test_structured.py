"""Answers of a wanted form, out of text."""

import pytest
from pydantic import BaseModel

from labeler.llm.structured import fit, instruction, is_json


class Word(BaseModel):
    word: str


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"word": "a"}', "a"),
        ('\n {"word": "a"} \n', "a"),
        ('```json\n{"word": "a"}\n```', "a"),
        ('```\n{"word": "a"}\n```', "a"),
        ('```JSON {"word": "a"}```', "a"),
        ('Sure! Here it is:\n```json\n{"word": "a"}\n```\nAnything else?', "a"),
        ('{"word": "use ``` for code ``` here"}', "use ``` for code ``` here"),
    ],
)
def test_json_is_found(text, word):
    assert is_json(text)
    assert fit(text, Word) == Word(word=word)


@pytest.mark.parametrize(
    ("text", "json", "message"),
    [
        ("about months", False, "Invalid JSON"),
        ("", False, "Invalid JSON"),
        ('{"word": "a"', False, "Invalid JSON"),
        ("[" * 100_000, False, "Invalid JSON"),
        ('{"words": "a"}', True, "word: Field required"),
        ('{"word": ["a"]}', True, "word: Input should be a valid string"),
        ("7", True, "Input should be an object"),
    ],
)
def test_what_does_not_fit_is_an_error_of_one_line(text, json, message):
    assert is_json(text) is json
    with pytest.raises(ValueError, match=message) as caught:
        fit(text, Word)
    assert "\n" not in str(caught.value)


def test_the_instruction_holds_the_schema():
    assert '"word"' in instruction(Word)
