"""What the bodies of a 200 tell of errors, in the words of many servers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.llm.error_bodies import told
from labeler.llm.refusals import Failures, said_in
from tests.fakes.awkward import chat, message

CONTEXT = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
TGI = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000 `inputs` tokens"
AWS = "com.amazon.coral.service#UnknownOperationException"

ERRORS = [
    # Alibaba's.
    ({"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded", "request_id": "1"}, 429),
    ({"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded"}, 429),
    ({"code": "InvalidApiKey", "message": "Invalid API-key provided."}, 401),
    ({"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}, 402),
    ({"code": "InvalidParameter", "message": "Range of input length should be [1, 30720]"}, 400),
    ({"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}, 400),
    ({"code": "ModelNotFound", "message": "Model not found"}, 404),
    ({"code": "InternalError.Algo", "message": "went wrong"}, 500),
    ({"code": 1305, "msg": "try again"}, 500),
    # Amazon's.
    ({"__type": "ThrottlingException", "message": "Too many tokens, please wait before trying again."}, 429),
    ({"__type": "ValidationException", "message": "Input is too long for requested model."}, 400),
    ({"__type": "AccessDeniedException", "Message": "no"}, 403),
    ({"__type": "ResourceNotFoundException", "message": "no"}, 404),
    ({"Output": {"__type": AWS}, "Version": "1.0"}, 404),
    ({"Output": {"__type": "ServiceUnavailableException"}, "Version": "1.0"}, 503),
    # Google's.
    ([{"error": {"code": 429, "message": "slower", "status": "RESOURCE_EXHAUSTED"}}], 429),
    ({"error": {"status": "RESOURCE_EXHAUSTED", "message": "check your plan and billing details"}}, 429),
    ({"error": {"status": "INVALID_ARGUMENT", "message": "no"}}, 400),
    ({"error": {"status": "UNAUTHENTICATED", "message": "no"}}, 401),
    ({"error": {"message": "API key not valid. Please pass a valid API key."}}, 401),
    # Azure's.
    ({"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist"}}, 404),
    ({"error": {"code": "content_filter", "message": "The response was filtered"}}, 400),
    ({"statusCode": 429, "message": "Token limit is exceeded. Try again in 9 seconds."}, 429),
    # Cloudflare's.
    ({"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "result": None}, 401),
    # Small servers' and routers'.
    ({"status": "error", "message": "rate limit exceeded"}, 429),
    ({"status": "error", "message": "it went wrong"}, 500),
    ({"success": False, "message": "it went wrong"}, 500),
    ({"error": True, "message": "Too many requests"}, 429),
    ({"error": 429}, 429),
    ({"detail": "Not Found"}, 404),
    ({"detail": "Method Not Allowed"}, 404),
    ({"detail": [{"loc": ["body"], "msg": "Field required", "type": "missing"}]}, 400),
    ({"error": {"message": CONTEXT}}, 400),
    ({"error": {"message": CONTEXT, "type": "server_error", "code": None}}, 400),
    ({"error": CONTEXT}, 400),
    ({"error": TGI, "error_type": "validation"}, 400),
    ({"error": "Model is overloaded", "error_type": "overloaded"}, 503),
    ({"error": "Error code: 429 - slower"}, 429),
    ({"error": "upstream returned status code 502: the model is not found"}, 502),
    ({"error": {"message": "no", "type": "invalid_request_error", "code": "model_not_found"}}, 404),
    ({"error": {"message": "no", "type": "insufficient_quota"}}, 402),
    ({"error": {"message": "The model `x` does not exist"}}, 404),
    ({"error": {"message": "no", "code": 0}, "code": 503}, 503),
    ({"type": "https://example.com/limits", "title": "Too Many Requests", "detail": "slower"}, 429),
    ({"choices": [], "error": {"message": "nothing was said"}}, 500),
    ({"choices": None}, 500),
    # What is quoted stands behind what is meant.
    ({"error": {"message": "Service unavailable, for: 'the model was not found; unauthorized'"}}, 503),
    ({"error": {"message": f"{'x' * 2_000} unauthorized"}}, 500),
]
NO_ERRORS = [
    {"message": "Welcome to the API"},
    {"status": "ok", "message": "up"},
    {"object": "list", "data": [{"id": "m", "object": "model"}]},
    {"message": {"role": "assistant", "content": "unauthorized"}, "done": True},
    {"object": "response", "status": "completed", "error": None, "output": [{"type": "message"}]},
    {"response": "rate limit"},
    [],
    [chat("cats")],
    "rate limit",
    None,
]
ALL_IS_WELL = [
    {"code": 0, "message": "success"},
    {"code": "0", "msg": "OK"},
    {"code": 200, "message": "OK"},
    {"code": 200, "message": "rate limit: 7 left"},
    {"code": "success", "message": "done"},
    {"code": 10000, "message": "Success"},
    {"code": None, "message": "a hint", "type": None},
    {"status": "ok"},
    {},
    None,
    "",
    "success",
    "none",
    False,
    0,
    200,
]
FAILED = [
    {"code": 429, "message": "success"},
    {"code": 0, "type": "server_error", "message": "no"},
    {"message": "the provider broke off"},
    "it broke off",
    True,
    503,
]


@pytest.mark.parametrize(("body", "status"), ERRORS, ids=[json.dumps(body)[:80] for body, _ in ERRORS])
def test_an_error_has_the_status_that_its_words_tell(body, status):
    found = told(body)
    assert found is not None
    assert found[0] == status


@pytest.mark.parametrize("body", NO_ERRORS, ids=str)
def test_what_names_no_failure_is_none(body):
    assert told(body) is None


@pytest.mark.parametrize("error", ALL_IS_WELL, ids=str)
@pytest.mark.parametrize("answer", [chat("cats"), message("cats"), chat(None, tool_calls=[{"function": {}}])])
def test_an_answer_beside_a_word_that_all_is_well_is_an_answer(answer, error):
    assert told(answer | {"error": error}) is None
    if "choices" in answer:
        assert told({"choices": [answer["choices"][0] | {"error": error}]}) is None


@pytest.mark.parametrize("error", FAILED, ids=str)
@pytest.mark.parametrize("answer", [chat("cats"), message("cats")])
def test_an_answer_beside_an_error_is_none(answer, error):
    assert told(answer | {"error": error}) is not None


def test_what_all_is_well_with_and_says_nothing_is_no_answer():
    assert told(chat("") | {"error": {"code": 0, "message": "nothing left"}}) is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "code", "message", "choices", "detail", "errors", "type", "content", "metadata", "raw"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_body_at_all_is_read(body):
    found = told(body)
    assert found is None or (400 <= found[0] < 600 and isinstance(said_in(found[1]), str))
    error = Failures("m", "key").of_body(body, {})
    assert (error is None) is (found is None)
