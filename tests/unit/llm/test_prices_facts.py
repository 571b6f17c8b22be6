"""What settings say of models."""

import json

import pytest

from labeler.errors import InputError
from labeler.llm.cache_keys import key, logprobs_key
from labeler.llm.names import LLMName, open_backend
from labeler.llm.prices import Entry, canonical, load_facts
from labeler.llm.protocol import Limits, Request, Usage, Window
from labeler.llm.providers.offline import open_offline
from tests.fakes.environment import settings

HERE = "openai:qwen3@http://gpu:8000/v1"
BODY = {"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "high"}
WHOLE = {
    HERE: {
        "extra_body": BODY,
        "limits": {"requests": 500, "input_tokens": 2_000_000},
        "prices": {"input": 1, "cached": 0.5, "output": 4},
        "context": 4096,
    },
    "anthropic": {"limits": {"output_tokens": 80_000}},
}


def loaded(tmp_path, value, **others):
    path = tmp_path / "models.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return settings(home=tmp_path, models=path, **others)


def test_one_file_says_everything(tmp_path):
    facts = load_facts(loaded(tmp_path, WHOLE))
    name = LLMName.parse(HERE)
    assert facts.of(name).extra_body == BODY
    assert facts.of(LLMName.parse("openai:qwen3"), "http://gpu:8000/v1/").context == 4096
    assert facts.of(LLMName.parse("openai:other")) == Entry()
    assert facts.prices(name, Usage(input_tokens=1_000_000), base_url=name.base_url) == 1
    assert facts.limits(HERE) == Limits(requests=Window(limit=500), input_tokens=Window(limit=2_000_000))
    assert facts.limits("anthropic:m") == Limits(output_tokens=Window(limit=80_000))
    assert facts.limits("openai:m") is None


def test_the_older_settings_say_what_the_file_does_not(tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({HERE: {"input": 9, "output": 9}, "openai:m": {"input": 2, "output": 2}}))
    facts = load_facts(loaded(tmp_path, WHOLE, prices=prices, limits=f"{HERE}=1,openai:m=7,anthropic=1"))
    million = Usage(input_tokens=1_000_000)
    assert facts.prices(LLMName.parse(HERE), million, base_url="http://gpu:8000/v1") == 1
    assert facts.prices(LLMName.parse("openai:m"), million) == 2
    assert facts.limits(HERE).requests == Window(limit=500)
    assert facts.limits("openai:m").requests == Window(limit=7)
    assert facts.limits("anthropic:m").requests is None


def test_a_models_own_limits_go_before_its_providers(tmp_path):
    facts = load_facts(settings(home=tmp_path, limits="openai=9,openai:m=500,openai:m@http://h/v1=60"))
    asked = ("openai:m", "openai:m@http://h/v1/", "openai:m@http://elsewhere/v1", "openai:other")
    assert [facts.limits(name).requests.limit for name in asked] == [500, 60, 500, 9]
    assert facts.limits("anthropic:m") is None


@pytest.mark.parametrize(
    ("said_of", "asked_as", "gateway", "found"),
    [
        ("openai:m", "openai:m", None, True),
        ("openai:m", "openai:m@http://127.0.0.1:9/v1", None, True),
        ("openai:m", "openai:m", "http://127.0.0.1:9/v1", True),
        ("openai:m@http://127.0.0.1:9/v1", "openai:m", "http://127.0.0.1:9/v1/", True),
        ("openai:m@http://127.0.0.1:9/v1/", "openai:m@http://127.0.0.1:9/v1", None, True),
        ("openai:m@http://127.0.0.1:9/v1", "openai:m@http://127.0.0.1:9/v1", "http://127.0.0.1:8/v1", True),
        ("openai:m@https://api.openai.com/v1", "openai:m", None, True),
        ("openai:m@http://127.0.0.1:9/v1", "openai:m", None, False),
        ("openai:m@http://127.0.0.1:9/v1", "openai:m", "http://127.0.0.1:8/v1", False),
        ("openai:m@http://127.0.0.1:9/v1", "openai:other", "http://127.0.0.1:9/v1", False),
    ],
)
async def test_whatever_is_said_of_a_model_is_found_by_the_same_names(tmp_path, said_of, asked_as, gateway, found):
    entry = {"extra_body": BODY, "limits": {"requests": 7}, "context": 4096}
    said = loaded(tmp_path, {said_of: entry}, openai_base_url=gateway, openai_api_key="hunter2-of-openai")
    backend = open_backend(asked_as, said)
    assert (backend.body(Request(prompt="?")).keys() >= BODY.keys()) is found
    assert backend.fits(Request(prompt="x" * 20_000)) is not found
    assert load_facts(said).limits(asked_as) == (Limits(requests=Window(limit=7)) if found else None)
    await backend.close()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "this is not JSON"),
        ("[]", "valid dictionary"),
        ({HERE: {"extra": {}}}, "extra.*not permitted"),
        ({HERE: {"limits": {"requests": 0}}}, "limits.*requests.*greater than 0"),
        ({HERE: {"limits": {"minutes": 1}}}, "limits.*minutes.*not permitted"),
        ({HERE: {"prices": {"input": 1}}}, "prices.*output.*required"),
        ({HERE: {"context": 12}}, "context.*greater than or equal to 256"),
        ({HERE: {"context": "4096"}}, "context.*valid integer"),
        ({HERE: {"extra_body": {"max_tokens": 7}}}, "extra_body.*'max_tokens' is set by labeler itself"),
        ({HERE: {"extra_body": {"messages": []}}}, "extra_body.*'messages' is set by labeler itself"),
        ({HERE: {"extra_body": {"max_output_tokens": 7}}}, "extra_body.*'max_output_tokens' is set by labeler itself"),
        ({HERE: {"extra_body": {"maxTokens": 7}}}, "extra_body.*'maxTokens' is set by labeler itself"),
        ({HERE: {"extra_body": {"max_new_tokens": 7}}}, "extra_body.*'max_new_tokens' is set by labeler itself"),
        (
            {HERE: {"extra_body": {"options": {"num_predict": -1}}}},
            "extra_body.*'num_predict' is set by labeler itself",
        ),
        (
            {HERE: {"extra_body": {"a": [{"maxOutputTokens": 7}]}}},
            "extra_body.*'maxOutputTokens' is set by labeler itself",
        ),
        ({HERE: {"extra_body": {"api_key": "hunter2"}}}, "extra_body.*looks like a secret"),
        ({HERE: {"extra_body": {"a": [{"Authorization": "hunter2"}]}}}, "extra_body.*looks like a secret"),
        ({HERE: {"extra_body": {"note": "sk-hunter2hunter2"}}}, "extra_body.*looks like a secret"),
        ({HERE: {"extra_body": {"note": "my-hunter2-of-the-settings"}}}, "extra_body: it holds a key"),
        ({"anthropic": {"context": 4096}}, "'anthropic' is a whole provider, of which only limits"),
        ({"mistral": {"limits": {"requests": 1}}}, "unknown provider 'mistral'"),
        ({"gpt-5:": {}}, "unknown provider"),
    ],
)
def test_a_malformed_file_is_refused_in_one_line(tmp_path, value, message):
    with pytest.raises(InputError, match=message) as caught:
        load_facts(loaded(tmp_path, value, openai_api_key="my-hunter2-of-the-settings"))
    assert str(caught.value).startswith("LABELER_MODELS: '")
    assert str(caught.value).isprintable()
    assert "hunter2" not in str(caught.value)


KEYS = [
    "AIzaSyD-hunter2_hunter2hunter2hunter2",
    "hf_hunter2Hunter2hunter2hunter2",
    "gsk_hunter2hunter2hunter2",
    "ghp_hunter2hunter2hunter2hunter2",
    "xai-hunter2hunter2hunter2hunter2",
    "pk-lf-hunter2-hunter2-hunter2",
    "AKIAHUNTER2HUNTER2",
    "eyJhbGciOiJIUzI1NiJ9.hunter2hunter2.hunter2",
    "sk-hunter2hunter2",
    "Bearer hunter2",
    "hunter2Hunter2Hunter2Hunter2",
]
NAMES = [
    "api_key",
    "apiKey",
    "x-api-key",
    "key",
    "token",
    "hf_token",
    "accessToken",
    "id_token",
    "client_secret",
    "password",
]


@pytest.mark.parametrize("fields", [{"note": key} for key in KEYS] + [{name: "hunter2"} for name in NAMES], ids=str)
@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: {"a": [{"b": one}]}])
def test_what_looks_like_a_secret_is_no_field_of_a_body(tmp_path, fields, wrap):
    with pytest.raises(InputError, match="looks like a secret") as caught:
        load_facts(loaded(tmp_path, {HERE: {"extra_body": wrap(fields)}}))
    assert "hunter2" not in str(caught.value).lower()


PUBLIC = [
    {"provider": {"order": ["hf-inference", "fireworks/fp8"], "only": ["novita"], "allow_fallbacks": False}},
    {"stop_token": "<|im_end|>", "eos_token": "</s>", "stop_token_ids": [1], "skip_special_tokens": True},
    {"keyword": "months", "prompt_cache_key": "labeler", "min_tokens": 1, "tokenizer": "Qwen2Tokenizer"},
    {"thinking": {"type": "enabled", "budget_tokens": 2000}, "reasoning": {"max_tokens": 2000}},
    {"model_path": "Qwen/Qwen2.5-Coder-32B-Instruct-GPTQ-Int4", "route": "hf-internal-testing/tiny-random-Llama-3"},
    {
        "adapter": "meta-llama/Meta-Llama-3.1-8B-Instruct-AWQ-INT4",
        "sk": "sk-learn",
        "metadata": {"valid_tokens": "all"},
    },
    {"chat_template_kwargs": {"enable_thinking": False}, "guided_regex": r"\{\"label\": \"[A-Za-z0-9 ]{1,200}\"\}"},
]


@pytest.mark.parametrize("fields", PUBLIC, ids=lambda fields: next(iter(fields)))
def test_what_only_sounds_like_a_secret_is_a_field(tmp_path, fields):
    assert load_facts(loaded(tmp_path, {HERE: {"extra_body": fields}})).of(LLMName.parse(HERE)).extra_body == fields


async def test_what_is_added_is_in_the_body_in_the_key_and_in_the_bound(tmp_path):
    request, said = Request(prompt="?"), loaded(tmp_path, WHOLE)
    with_fields, without = open_backend(HERE, said), open_backend(HERE, settings(home=tmp_path))
    for backend in (with_fields, open_offline(HERE, said)):
        assert {name: backend.body(request)[name] for name in BODY} == BODY
        assert backend.address == with_fields.address
    assert not BODY.keys() & without.body(request).keys()
    assert key(with_fields.address, request) != key(without.address, request)
    assert logprobs_key(with_fields.address, "a", "b", ()) == logprobs_key(without.address, "a", "b", ())
    assert with_fields.bound(request).input_tokens >= without.bound(request).input_tokens + len(json.dumps(BODY)) - 8
    assert (with_fields.fits(Request(prompt="x" * 20_000)), without.fits(Request(prompt="x" * 20_000))) == (False, True)
    await with_fields.close()
    await without.close()


async def test_room_is_left_for_the_thinking_that_claude_is_told_to_do(tmp_path):
    fields = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
    said = loaded(tmp_path, {"anthropic:m": {"extra_body": fields}}, anthropic_api_key="k")
    backend = open_backend("anthropic:m", said)
    body = backend.body(Request(prompt="?", max_tokens=300))
    assert (body["thinking"], body["max_tokens"]) == (fields["thinking"], 2_300)
    await backend.close()


def test_fields_are_the_same_however_they_are_ordered():
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})
    assert canonical({}) == ""
