"""Names of models, which backend they open, and which key that backend holds."""

import pytest

from labeler.errors import InputError
from labeler.llm.endpoints import find_endpoint
from labeler.llm.names import LLMName, Origin, open_backend
from tests.fakes.environment import settings

OPENAI_KEY = "sk-own-openai-key"
CLAUDE_KEY = "sk-own-anthropic-key"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("anthropic:claude-haiku-5-5", ("anthropic", "claude-haiku-5-5", None)),
        ("openai:gpt-5-nano", ("openai", "gpt-5-nano", None)),
        ("openai:qwen3@http://127.0.0.1:8000/v1", ("openai", "qwen3", "http://127.0.0.1:8000/v1")),
        ("openai:qwen/qwen3:8b@q4@https://h.example/v1", ("openai", "qwen/qwen3:8b@q4", "https://h.example/v1")),
        ("openai:ft:gpt-4o:org::id", ("openai", "ft:gpt-4o:org::id", None)),
        ("openai:m@HTTP://[::1]:8000", ("openai", "m", "HTTP://[::1]:8000")),
        ("local:smollm2-135m", ("local", "smollm2-135m", None)),
        ("local:./models/my model", ("local", "./models/my model", None)),
    ],
)
def test_a_name_is_taken_apart_and_put_together(text, parts):
    name = LLMName.parse(text)
    assert (name.provider, name.model, name.base_url) == parts
    assert str(name) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpt-5-nano", ["'gpt-5-nano'", "provider:model", "anthropic, openai, local"]),
        ("", ["provider:model"]),
        ("mistral:large", ["unknown provider 'mistral'", "anthropic, openai, local"]),
        ("openai:", ["names no model"]),
        ("openai: @http://h/v1", ["names no model"]),
        ("openai:a\nb", ["names no model"]),
        ("local:m@http://h/v1", ["base url"]),
        ("openai:m@http://", ["base url", "openai:m"]),
        ("openai:m@http://h/v1?key=hunter2", ["base url"]),
        ("openai:m@http://user:hunter2@h/v1", ["base url", "LABELER_API_KEYS"]),
        ("openai:m@https://api.openai.com@hunter2.example/v1", ["base url"]),
        ("openai:m@https://hunter2.example\\@api.openai.com/v1", ["base url"]),
        ("openai:m@http://user:hunter2@h@http://x/v1", ["base url"]),
        ("mistral:m@http://user:hunter2@h/v1", ["unknown provider 'mistral'"]),
        ("m@http://user:hunter2@h/v1", ["'m'"]),
    ],
)
def test_a_malformed_name_is_refused_in_one_line_without_its_password(text, words):
    with pytest.raises(InputError) as caught:
        LLMName.parse(text)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("name", "variable"), [("anthropic:claude-haiku-5-5", "ANTHROPIC_API_KEY"), ("openai:gpt-5-nano", "OPENAI_API_KEY")]
)
@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_missing_key_is_an_error_at_once_that_names_the_variable(name, variable, key):
    with pytest.raises(InputError, match=variable):
        open_backend(name, settings(anthropic_api_key=key, openai_api_key=key))


async def test_a_backend_is_opened_by_its_name():
    own = settings(anthropic_api_key=CLAUDE_KEY, openai_api_key=OPENAI_KEY)
    for name in ("anthropic:claude-haiku-5-5", "openai:gpt-5-nano", "openai:qwen3@http://127.0.0.1:1/v1"):
        backend = open_backend(name, own)
        assert backend.name == name
        assert backend.capabilities.schema
        assert backend.capabilities.logprobs is (backend.name.endswith("/v1"))  # of another server the first call tells
        await backend.close()


def endpoint(name, *, gateway=None, listed=None, key=OPENAI_KEY):
    values = settings(openai_api_key=key, openai_base_url=gateway, api_keys=listed)
    return find_endpoint(
        LLMName.parse(name),
        key=values.openai_api_key,
        variable="OPENAI_API_KEY",
        gateway=values.openai_gateway,
        gateway_variable="OPENAI_BASE_URL",
        listed=values.api_keys,
    )


LISTED = "gpu-box=lan-key, h.example:9000=port-key,h.example=host-key,[::1]:8000=six-key,b.example=a=b=="
LISTED += ",10.0.0.7=own-key,s.example:443=tls-key,8.8.8.8=far-key"


@pytest.mark.parametrize(
    ("name", "gateway", "key"),
    [
        ("openai:m", None, OPENAI_KEY),
        ("openai:m@https://api.openai.com/v1", None, OPENAI_KEY),
        ("openai:m@https://eu.api.openai.com/v1", None, OPENAI_KEY),
        ("openai:m@http://api.openai.com/v1", None, None),
        ("openai:m@https://api.openai.com.evil.example/v1", None, None),
        ("openai:m@https://notapi.openai.com/v1", None, None),
        ("openai:m@https://evil.example/api.openai.com/v1", None, None),
        ("openai:m@http://127.0.0.1:8000/v1", None, None),
        ("openai:m@http://gpu-box:8000/v1", None, "lan-key"),
        ("openai:m@http://GPU-box/v1", None, "lan-key"),
        ("openai:m@http://10.0.0.7:81/v1", None, "own-key"),
        ("openai:m@https://h.example:9000/v1", None, "port-key"),
        ("openai:m@http://h.example:9000/v1", None, "port-key"),
        ("openai:m@https://h.example:81/v1", None, "host-key"),
        ("openai:m@http://h.example:81/v1", None, None),
        ("openai:m@http://h.example/v1", None, None),
        ("openai:m@http://H.example:443/v1", None, None),
        ("openai:m@http://s.example:443/v1", None, None),
        ("openai:m@https://s.example/v1", None, "tls-key"),
        ("openai:m@http://8.8.8.8/v1", None, None),
        ("openai:m", "http://h.example:81/v1", OPENAI_KEY),
        ("openai:m@https://h.example/v1", None, "host-key"),
        ("openai:m@https://sub.h.example/v1", None, None),
        ("openai:m@http://[::1]:8000/v1", None, "six-key"),
        ("openai:m@https://b.example/v1", None, "a=b=="),
        ("openai:m", "https://proxy.example/v1", OPENAI_KEY),
        ("openai:m@https://proxy.example/other", "https://proxy.example/v1", OPENAI_KEY),
        ("openai:m@https://proxy.example:444/v1", "https://proxy.example/v1", None),
        ("openai:m@http://proxy.example/v1", "https://proxy.example/v1", None),
        ("openai:m", "http://gpu-box:8000/v1", "lan-key"),
        ("openai:m@https://api.openai.com/v1", "http://gpu-box:8000/v1", OPENAI_KEY),
    ],
)
def test_a_key_goes_to_its_own_host_only(name, gateway, key):
    assert endpoint(name, gateway=gateway, listed=LISTED).key == key


@pytest.mark.parametrize(
    ("name", "gateway", "hint"),
    [
        ("openai:m", None, "the key is that of OPENAI_API_KEY"),
        ("openai:m", "https://proxy.example/v1", "the key is that of OPENAI_API_KEY"),
        ("openai:m@http://gpu-box:8000/v1", None, "the key is that of gpu-box in LABELER_API_KEYS"),
        ("openai:m@http://127.0.0.1:8000/v1", None, ""),
    ],
)
def test_a_server_that_turns_a_key_away_is_told_with_where_the_key_is_from(name, gateway, hint):
    assert endpoint(name, gateway=gateway, listed=LISTED).hint == hint


@pytest.mark.parametrize("gateway", [None, "http://h.example:81/v1"])
def test_whose_key_is_not_sent_in_plain_text_is_told_how_it_may_be(gateway):
    name = "openai:m@http://h.example:81/v1" if gateway is None else "openai:m"
    hint = endpoint(name, gateway=gateway, listed="h.example=hunter2", key=None).hint
    assert "h.example:81=key" in hint
    assert "hunter2" not in hint


def test_a_server_named_by_the_provider_setting_needs_no_key():
    assert endpoint("openai:m", gateway="http://127.0.0.1:8000/v1", key=None).key is None


@pytest.mark.parametrize("listed", ["hunter2", "h=a,hunter2", "=hunter2", "http://h:1/v1=hunter2"])
def test_a_malformed_list_of_keys_is_refused_without_repeating_it(listed):
    with pytest.raises(InputError, match=r"entry \d of LABELER_API_KEYS") as caught:
        endpoint("openai:m@http://h/v1", listed=listed)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["hunter2\nX: y", "hunter2 b", "hunter2é"])
def test_a_key_that_no_header_can_hold_is_refused_without_repeating_it(key):
    with pytest.raises(InputError, match="OPENAI_API_KEY") as caught:
        endpoint("openai:m", key=key)
    assert "hunter2" not in str(caught.value)


def test_a_malformed_gateway_is_refused_without_its_password():
    with pytest.raises(InputError, match="OPENAI_BASE_URL") as caught:
        endpoint("openai:m", gateway="http://user:hunter2@h/v1")
    assert "hunter2" not in str(caught.value)


def test_an_endpoint_does_not_show_its_key():
    assert OPENAI_KEY not in repr(endpoint("openai:m"))


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.9.9.9", True),
        ("http://localhost:1", True),
        ("http://[::1]/v1", True),
        ("http://0.0.0.0:8000", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_loopback(url, loopback):
    assert Origin.of(url).loopback is loopback
