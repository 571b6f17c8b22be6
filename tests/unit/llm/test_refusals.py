"""What lies under the SDKs' exceptions, told apart."""

import itertools
import time

import aiohttp
import openai
import pytest

from labeler.llm.error_bodies import excess
from labeler.llm.errors import BusyError, TimedOutError
from labeler.llm.protocol import Reply
from labeler.llm.refusals import Failures, said_in


def chain(*errors):
    """The first error, caused by the second, and so on."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("cause", "kind", "maybe_billed"),
    [
        (aiohttp.ServerDisconnectedError(), BusyError, True),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), BusyError, True),
        (aiohttp.ClientPayloadError("half a body"), BusyError, True),
        (aiohttp.SocketTimeoutError(), TimedOutError, True),
        (aiohttp.ConnectionTimeoutError(), TimedOutError, False),
        (ConnectionResetError(), BusyError, True),
    ],
)
def test_a_failed_connection(cause, kind, maybe_billed):
    sdk = openai.APITimeoutError(request=None)  # as OpenAI's SDK calls them all
    error = Failures("openai:m", "secret").of_connection(chain(sdk, RuntimeError("the HTTP client's"), cause))
    assert type(error) is kind
    assert error.maybe_billed is maybe_billed


def test_what_the_caller_was_handling_is_not_a_cause():
    sdk = openai.APIConnectionError(request=None)
    sdk.__context__ = TimeoutError()
    assert type(Failures("openai:m", None).of_connection(sdk)) is BusyError


def test_a_key_is_cut_out_before_the_message_is_cut_short():
    said = "x" * 190 + "secret-of-twenty-characters"
    assert "secret" not in Failures("m", "secret-of-twenty-characters").line("HTTP 400", said)


@pytest.mark.parametrize("key", ["x", "e", "length", "context", "-", "secret-of-twenty-characters"])
def test_what_is_said_is_understood_whatever_the_key_is(key):
    said = f"This model's maximum context length is 4096 tokens (your key: {key})"
    error = Failures("m", key).of_status(400, {}, {"error": {"message": said}})
    assert excess(error.said, 400).context == 4096
    assert f"key: {key})" not in str(error)


def test_a_key_of_a_few_letters_leaves_the_words_that_hold_them():
    assert Failures("m", "x").line("HTTP 400", "next: key x, 'x'") == "m: HTTP 400: next: key [key], '[key]'"


def test_a_reply_is_kept_without_the_key():
    key = "gw_0123456789"
    reply = Reply(text=f'{{"label":\n"Incorrect key: {key}"}}', said=f"Incorrect key:\n{key}")
    kept = Failures("m", key).without_key(reply)
    assert (kept.text, kept.said) == ('{"label":\n"Incorrect key: [key]"}', "Incorrect key: [key]")
    assert Failures("m", "cats").without_key(Reply(text='{"label": "cats"}')).text == '{"label": "cats"}'
    assert Failures("m", None).without_key(reply).text == reply.text


@pytest.mark.parametrize("page", ["<" * 400_000, "<a" * 200_000, "sk-" * 200_000, "sk-a " * 100_000])
def test_the_time_for_a_page_grows_with_it_and_not_with_its_square(page):
    began = time.monotonic()
    assert str(Failures("m", "key-of-this-host").of_status(500, {}, page)).startswith("m: HTTP 500")
    assert time.monotonic() - began < 10


def test_what_is_said_is_found_however_deep_and_beside_its_source():
    body = {"error": "no"}
    for _ in range(5_000):
        body = {"error": body, "metadata": {"raw": {"message": "no"}}}
    assert said_in(body) == "no"
    assert (
        said_in({"error": {"message": "no", "metadata": {"raw": '{"message": "never"}'}}}) == 'no: {"message": "never"}'
    )
    assert said_in([{"error": {"message": "no"}}]) == "no"
    assert said_in({"Message": "no", "__type": "T"}) == "no"
