"""A model that others ask: requests in files' form, and answers out of files."""

import json
import subprocess
import sys

import pytest
from pydantic import BaseModel

from labeler.errors import InputError
from labeler.llm.cache_keys import key
from labeler.llm.errors import RejectedError
from labeler.llm.names import is_hosted, open_backend
from labeler.llm.protocol import Reply, Request, Usage
from labeler.llm.providers.chat_completions import THINKING_TOKENS
from labeler.llm.providers.offline import open_offline, read_line
from tests.fakes.environment import settings


class Word(BaseModel):
    word: str


REQUEST = Request(prompt="p", system="s", schema=Word, max_tokens=50, temperature=0.5)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("openai:gpt-5-nano", {"max_completion_tokens": 50 + THINKING_TOKENS}),
        ("anthropic:claude-haiku-5-5", {"max_completion_tokens": 50}),
        ("openai:qwen3@http://127.0.0.1:8000/v1", {"max_tokens": 50}),
        ("anthropic:m@http://127.0.0.1:8000", {"max_tokens": 50}),
    ],
)
def test_a_request_in_the_form_that_batch_runners_read(name, limit):
    backend = open_offline(name)
    body = backend.body(REQUEST)
    assert body.pop("response_format")["json_schema"]["strict"] is True
    assert body.pop("messages") == [{"role": "system", "content": "s"}, {"role": "user", "content": "p"}]
    assert body == {"model": name.split(":")[1].split("@")[0], "temperature": 0.5, **limit}
    bound = backend.bound(REQUEST)
    assert (bound.output_tokens, bound.usd) == (next(iter(limit.values())), None)
    assert bound.input_tokens > 1_000


async def test_a_question_has_the_same_key_whoever_asks_it():
    keys = settings(openai_api_key="k", anthropic_api_key="k")
    for name in ("openai:m", "anthropic:m", "openai:m@http://127.0.0.1:8000/v1"):
        online, offline = open_backend(name, keys), open_offline(name)
        assert key(online.address, REQUEST) == key(offline.address, REQUEST)
        await online.close()


async def test_nobody_is_asked():
    backend = open_offline("openai:m")
    with pytest.raises(RejectedError, match="answers come from files"):
        await backend.ask(REQUEST)
    with pytest.raises(RejectedError, match="use sparse"):
        await backend.logprobs("a", ["b"])
    assert (backend.capabilities.schema, backend.capabilities.logprobs) == (True, False)
    await backend.close()


def test_no_sdk_is_needed():
    code = (
        "import sys; from labeler.llm.providers.offline import open_offline\n"
        "open_offline('openai:m'); assert not {'openai', 'anthropic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_malformed_name_is_refused():
    with pytest.raises(InputError):
        open_offline("gpt-5")
    with pytest.raises(InputError):
        is_hosted("gpt-5")
    assert [is_hosted(name) for name in ("openai:m", "anthropic:m@http://h", "local:m")] == [True, True, False]


def line(**parts):
    return json.dumps({"id": "r", "custom_id": "c", "response": None, "error": None, **parts})


def answered(**body):
    return line(response={"status_code": 200, "request_id": "r", "body": body})


CHOICE = {"message": {"content": "months"}, "finish_reason": "stop"}


def test_an_answer():
    text = answered(choices=[CHOICE], usage={"prompt_tokens": 5, "completion_tokens": 2})
    usage = Usage(input_tokens=5, output_tokens=2, usd=None)
    assert read_line(text) == ("c", Reply(text="months", usage=usage), None)
    assert read_line(answered(choices=[CHOICE])) == ("c", Reply(text="months", usage=Usage(usd=None)), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (answered(), "this is not a chat completion"),
        (line(response={"status_code": 400, "body": {"error": {"message": "too\nlong"}}}), "HTTP 400: too long"),
        (line(response={"status_code": 500, "body": None}), "HTTP 500: no reason was given"),
        (line(error={"code": "batch_expired", "message": "late"}), "no answer: batch_expired late"),
        (line(error={"message": "\x1b[31mno", "code": "a\nb"}), "no answer: a b [31mno"),
        (line(error={"message": "no " * 500}), "no answer: " + ("no " * 500)[:200]),
    ],
)
def test_a_request_without_an_answer_says_why(text, reason):
    custom_id, reply, why = read_line(text)
    assert (custom_id, reply) == ("c", None)
    assert why == reason


@pytest.mark.parametrize("text", ["", "hello", "{}", "[]", line()])
def test_what_is_no_line_is_an_error_in_one_line(text):
    with pytest.raises(ValueError, match="this is no") as caught:
        read_line(text)
    assert str(caught.value).isprintable()
