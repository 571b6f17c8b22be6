"""Answers of a wanted form, out of text."""

import pytest
from pydantic import BaseModel

from labeler.llm.answers import fit, instruction, is_json, read_answer
from labeler.llm.errors import MalformedError, RefusedError, RejectedError, TruncatedError
from labeler.llm.protocol import Answer, Reply, Request, Usage


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


ASKED = Request(prompt="?", schema=Word)
USAGE = Usage(input_tokens=5, output_tokens=3, usd=0.01)


def test_a_reply_of_use_is_an_answer():
    reply = Reply(text=' {"word": "a"}\n', usage=USAGE)
    assert read_answer(reply, ASKED, "m") == Answer(text='{"word": "a"}', parsed=Word(word="a"), usage=USAGE)
    assert read_answer(Reply(text=" a b ", usage=USAGE), Request(prompt="?"), "m") == Answer(text="a b", usage=USAGE)


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (Reply(stop="truncated", usage=USAGE), TruncatedError, "openai:m: the answer was cut at 3 tokens"),
        (Reply(text='{"word": "a"}', stop="truncated", usage=USAGE), TruncatedError, "openai:m: the answer was cut"),
        (
            Reply(stop="refused", said="not\nme", usage=USAGE),
            RefusedError,
            "openai:m: the model declined to answer: not me",
        ),
        (Reply(text=" \n", usage=USAGE), MalformedError, "openai:m: the answer is empty"),
        (Reply(text='{"words": 1}', usage=USAGE), MalformedError, "openai:m: the answer does not fit: word: Field req"),
        (
            Reply(stop="rejected", said="too\x1blong", usage=USAGE),
            RejectedError,
            "openai:m: the request was not taken: too long",
        ),
    ],
)
def test_a_reply_of_no_use_is_an_error_that_says_whose_and_what_it_took(reply, kind, message):
    with pytest.raises(kind) as caught:
        read_answer(reply, ASKED, "openai:m")
    assert type(caught.value) is kind
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()
    assert caught.value.usage == (None if kind is RejectedError else USAGE)


def test_what_a_model_said_to_a_refusal_is_cut_short():
    with pytest.raises(RefusedError) as caught:
        read_answer(Reply(stop="refused", said="no " * 500), ASKED, "m")
    assert len(str(caught.value)) < 250
