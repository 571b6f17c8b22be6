"""What servers say of requests that are too long."""

import time

import pytest

from labeler.llm.error_bodies import Excess, excess

SAID = [
    (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4700 in the messages, "
        "300 in the completion). Please reduce the length of the messages or completion.",
        Excess(context=4096, prompt=4700),
    ),
    (
        "This model's maximum context length is 128,000 tokens. However, your messages resulted in 130,512 tokens.",
        Excess(context=128000, prompt=130512),
    ),
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 1900. This model's maximum context length is 4096 tokens "
        "and your request has 2500 input tokens (1900 > 4096 - 2500). (parameter=max_tokens, value=1900)",
        Excess(context=4096, prompt=2500),
    ),
    (
        "You passed 4097 input tokens and requested 300 output tokens. However, the model's context length is only "
        "4096 tokens, resulting in a maximum input length of 3796 tokens. Please reduce the length of the input prompt.",
        Excess(context=4096, prompt=4097),
    ),
    (
        '{"error": {"code": 400, "message": "the request exceeds the available context size. try increasing the context '
        'size or enable context shift", "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}}',
        Excess(context=4096, prompt=5000),
    ),
    (
        "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        Excess(context=4096, prompt=5000),
    ),
    ("prompt is too long: 208310 tokens > 200000 maximum", Excess(context=200000, prompt=208310)),
    (
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or "
        "`max_tokens` and try again",
        Excess(context=200000, prompt=190000),
    ),
    (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        Excess(context=1048576, prompt=1200000),
    ),
    (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        Excess(context=32768, prompt=40000),
    ),
    (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and "
        "300 `max_new_tokens`",
        Excess(context=4096, prompt=4000),
    ),
    (
        "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
        Excess(context=4096, prompt=5000),
    ),
    (
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        Excess(context=4096, prompt=5000),
    ),
    (
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 5300 "
        "tokens: 5000 tokens from the input messages and 300 tokens for the completion.",
        Excess(context=4096, prompt=5000),
    ),
    (
        "This endpoint's maximum context length is 4096 tokens. However, you requested about 5000 tokens (4700 of text "
        "input, 300 in the output). Please reduce the length of either one.",
        Excess(context=4096, prompt=4700),
    ),
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
        Excess(context=4096, prompt=5000),
    ),
    (
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.",
        Excess(context=4081, prompt=5000),
    ),
    (
        "This model's maximum prompt length is 131072 but the request contains 500000 tokens.",
        Excess(context=131072, prompt=500000),
    ),
    ("Your request exceeded model token limit: 8192 (requested: 9000)", Excess(context=8192)),
    ("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]", Excess(context=30720)),
    ("The input_length 5000 exceeds session_len 4096", Excess(context=4096)),
    (
        "Request prompt has 5000 tokens in total, larger than the model input length limit 4096.",
        Excess(context=4096, prompt=5000),
    ),
    (
        "The sum of prompt length (5000.0), query length (0) should not exceed max_num_tokens (4096)",
        Excess(context=4096, prompt=5000),
    ),
    (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
        Excess(context=272000, prompt=300000),
    ),
    ("Prompt token count (5000) exceeds the maximum allowed 4096", Excess(context=4096, prompt=5000)),
    ("The number of input tokens exceeds the maximum allowed 4096", Excess(context=4096)),
    ("The prompt is too long: 5000, model maximum context length: 4095", Excess(context=4095, prompt=5000)),
    (
        "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
        Excess(context=8192, prompt=9000),
    ),
    ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", Excess(context=4096)),
    ("Prompt exceeds max length", Excess()),
    ("context window exceeds limit (2013)", Excess()),
    ("Please reduce the length of the messages or completion. (context_length_exceeded)", Excess()),
    ("Input is too long for requested model.", Excess()),
    ("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 10000", Excess()),
    (
        "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.",
        Excess(written=16384),
    ),
    (
        "max_tokens: 64000 > 32000, which is the maximum allowed number of output tokens for claude-x",
        Excess(written=32000),
    ),
    (
        "`max_completion_tokens` must be less than or equal to `8192`, the maximum value for `max_completion_tokens` is "
        "less than the `context_window` for this model",
        Excess(written=8192),
    ),
    ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", Excess(written=8192)),
    ("Range of max_tokens should be [1, 8192]", Excess(written=8192)),
    ("max_tokens: Input should be less than or equal to 8192", Excess(written=8192)),
    (
        "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is "
        "lower than 4096.",
        Excess(written=4096),
    ),
    (
        "Unable to submit request because it has a maxOutputTokens value of 65536 but the supported range is from 1 "
        "(inclusive) to 8193 (exclusive). Update the value and try again.",
        Excess(written=8192),
    ),
]


@pytest.mark.parametrize(("said", "found"), SAID)
def test_what_servers_say_of_what_is_too_long(said, found):
    assert excess(said, 400) == found


@pytest.mark.parametrize(
    "said",
    [
        "Unsupported value: 'temperature' does not support 0 with this model.",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "Invalid schema for response_format 'Label'",
        "extra fields not permitted: response_format",
        "The model `m` does not exist",
        "max_tokens must be at least 1, got 0",
        "Invalid 'temperature': larger than the maximum of 2",
        "Request exceeded the rate limit",
        "Invalid schema: it exceeds the maximum depth of 5",
        "no",
    ],
)
def test_other_rejections_are_about_something_else(said):
    assert excess(said, 400) is None


@pytest.mark.parametrize(("said", "found"), SAID)
@pytest.mark.parametrize("quote", [str, repr, str.upper])
def test_numbers_that_stand_in_what_was_sent_are_not_believed(said, found, quote):
    told = excess(f"422, unprocessable: {quote(said)}", 422, f"Which words fire? ({said})")
    assert told is None or (told.written, told.context, told.prompt, told.own) == (None, None, None, False)


@pytest.mark.parametrize(("said", "found"), SAID)
def test_what_a_server_says_beside_a_quotation_is_believed(said, found):
    quoted = "maximum context length is 777 tokens, at most 33 completion tokens"
    assert excess(f"{said} It was: '{quoted}'", 400, quoted) == found


HOSTILE = [
    "9",
    "9 ",
    "9,",
    "9,999",
    "(",
    "`",
    "exceed ",
    "prompt ",
    "context limit: ",
    "max_len",
    "max_tokens ",
    "at most ",
]
HOSTILE += [
    "tokens exceed the ",
    "context length ",
    "max",
    "received ",
    "1 in the ",
    "maximum tokens ",
    "range of max_tokens",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_any_words_are_read_in_linear_time(piece):
    said = "context length exceeded " + piece * (64_000 // len(piece)) + "_tokens"
    began = time.process_time()
    excess(said, 400, said)
    assert time.process_time() - began < 2


def test_an_entity_that_is_too_large_is_too_long_whatever_the_page_says():
    assert excess("<html><title>413 Request Entity Too Large</title></html>", 413) == Excess()
    assert excess("no", 413) == Excess()


@pytest.mark.parametrize("limit", ["0", "17", "9" * 40])
def test_what_is_no_context_is_not_believed(limit):
    assert excess(f"maximum context length is {limit} tokens", 400) == Excess()
