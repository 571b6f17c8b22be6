"""What a question is remembered by."""

import dataclasses
import hashlib

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from labeler.llm.cache_keys import key, logprobs_key
from labeler.llm.protocol import Address, Request

HERE = Address("openai", "qwen3", "http://127.0.0.1:8000/v1")


class Word(BaseModel):
    word: str


class Words(BaseModel):
    words: list[str]


REQUEST = Request(prompt="p", system="s", schema=Word, max_tokens=50, temperature=0.5, draw=1)


def test_a_key_is_the_same_in_every_process_and_version():
    asked = (
        b'{"provider":"openai","model":"qwen3","base_url":"http://127.0.0.1:8000/v1","system":"","prompt":"\\u00e9",'
        b'"schema":null,"max_tokens":500,"temperature":null,"draw":0}'
    )
    assert key(HERE, Request(prompt="é")) == hashlib.sha256(asked).hexdigest()


def test_everything_that_an_answer_depends_on_is_in_the_key():
    changed = [
        dataclasses.replace(REQUEST, **change)
        for change in (
            {"prompt": "q"},
            {"system": ""},
            {"schema": None},
            {"schema": Words},
            {"max_tokens": 51},
            {"temperature": None},
            {"temperature": 0.0},
            {"draw": 0},
        )
    ]
    addresses = [
        dataclasses.replace(HERE, **change)
        for change in ({"provider": "anthropic"}, {"model": "m"}, {"base_url": None})
    ]
    keys = [key(HERE, REQUEST), *(key(HERE, one) for one in changed), *(key(one, REQUEST) for one in addresses)]
    assert len(set(keys)) == len(keys)
    assert key(HERE, dataclasses.replace(REQUEST)) == keys[0]
    assert key(HERE, dataclasses.replace(REQUEST, room=900, least=7)) == keys[0]


def test_a_temperature_is_a_number_however_it_is_written():
    one, other = (Request(prompt="?", temperature=temperature) for temperature in (0, 0.0))
    assert key(HERE, one) == key(HERE, other)


texts = st.text(st.characters(exclude_categories=[]), max_size=5)  # halves of characters too


@given(texts, texts, texts, texts)
def test_no_two_questions_share_a_key(prompt, system, other_prompt, other_system):
    same = (prompt, system) == (other_prompt, other_system)
    one, other = Request(prompt=prompt, system=system), Request(prompt=other_prompt, system=other_system)
    assert (key(HERE, one) == key(HERE, other)) is same


@given(st.tuples(texts, texts, st.lists(texts, max_size=3)), st.tuples(texts, texts, st.lists(texts, max_size=3)))
def test_nor_do_two_texts_behind_prefixes(one, other):
    assert (logprobs_key(HERE, *one) == logprobs_key(HERE, *other)) is (one == other)
