"""Recorded answers: to the very question, and to no other."""

import json

import pytest
from pydantic import BaseModel

from labeler.errors import InputError
from labeler.llm.cache_keys import key
from labeler.llm.errors import RejectedError
from labeler.llm.names import is_hosted, open_backend
from labeler.llm.protocol import Request
from labeler.llm.providers import offline as recorded
from labeler.llm.providers.offline import open_offline
from tests.fakes.environment import settings


class Word(BaseModel):
    word: str


REQUEST = Request(prompt="p", system="s", schema=Word, max_tokens=50)
NAME = "recorded:somebody"


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """A function that puts lines into the file of recorded answers."""
    recorded.recorded.cache_clear()
    path = tmp_path / "somebody.jsonl"

    def shipped(name):
        assert name == "answers"
        return tmp_path

    monkeypatch.setattr(recorded, "shipped", shipped)
    yield lambda *lines: path.write_text("".join(f"{line}\n" for line in lines))
    recorded.recorded.cache_clear()


def line(custom_id: str, text: str = '{"word": "yes"}', status: int = 200) -> str:
    body = {
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 5},
    }
    return json.dumps({"custom_id": custom_id, "response": {"status_code": status, "body": body}, "error": None})


async def test_the_very_question_is_answered_for_nothing_and_tells_what_it_took(answers):
    answers(line(key(open_offline(NAME).address, REQUEST)))
    backend = open_backend(NAME, settings())
    reply = await backend.ask(REQUEST)
    assert (reply.text, reply.usage.input_tokens, reply.usage.output_tokens) == ('{"word": "yes"}', 30, 5)
    assert reply.usage.usd == 0.0
    assert backend.bound(REQUEST).usd == 0.0


@pytest.mark.parametrize("other", [{"prompt": "p "}, {"system": ""}, {"draw": 1}, {"max_tokens": 51}, {"schema": None}])
async def test_another_question_has_no_answer(answers, other):
    answers(line(key(open_offline(NAME).address, REQUEST)))
    backend = open_backend(NAME, settings())
    with pytest.raises(RejectedError, match="no answer to this very question was recorded") as caught:
        await backend.ask(Request(**{"prompt": "p", "system": "s", "schema": Word, "max_tokens": 50, **other}))
    assert not caught.value.maybe_billed


async def test_there_are_no_logprobs(answers):
    answers()
    with pytest.raises(RejectedError, match="use sparse"):
        await open_backend(NAME, settings()).logprobs("a", ["b"])


@pytest.mark.parametrize("bad", ["{", json.dumps({"custom_id": "k"}), line("k", status=500)])
def test_a_line_that_cannot_be_read_is_named(answers, bad):
    answers(line("a"), bad)
    with pytest.raises(InputError, match=r"somebody\.jsonl:2: "):
        open_backend(NAME, settings())


@pytest.mark.parametrize("model", ["../secrets", "a/b", "nobody-was-recorded"])
def test_what_was_not_recorded_is_told(model):
    with pytest.raises(InputError, match=f"no answers of {model!a} were recorded"):
        open_backend(f"recorded:{model}", settings())


def test_whose_answers_there_are_is_told():
    with pytest.raises(InputError, match="there are those of: claude"):
        open_backend("recorded:nobody", settings())


def test_it_is_somebody_else_s_to_run_and_has_no_server():
    assert is_hosted(NAME)
    with pytest.raises(InputError, match="takes no base url"):
        is_hosted(f"{NAME}@http://127.0.0.1:1/v1")
