"""What ``labeler check`` says of keys: where each may go, and never the key."""

import pytest

from labeler.checks import keys
from labeler.settings import read_settings
from tests.fakes.environment import clean


@pytest.fixture
def found(monkeypatch, tmp_path):
    clean(monkeypatch)

    def of(file="", **environment):
        (tmp_path / ".env").write_text(file)
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        return {(one.name, one.state): one.said for one in keys(read_settings(tmp_path / ".env"))}

    return of


def test_a_key_is_told_with_its_host(found):
    said = found(OPENAI_API_KEY="hunter2", LABELER_API_KEYS="gpu-box=hunter2")
    assert said == {
        ("ANTHROPIC_API_KEY", "absent"): "not set",
        ("OPENAI_API_KEY", "ok"): "set, for api.openai.com",
        ("LABELER_API_KEYS", "ok"): "set, for gpu-box",
    }


def test_a_gateway_is_told_with_the_key_that_goes_there(found):
    url = "https://gateway.example/v1"
    both = found(f"OPENAI_BASE_URL={url}\nOPENAI_API_KEY=hunter2")
    assert both["OPENAI_BASE_URL", "ok"] == "'openai:' goes to gateway.example, with OPENAI_API_KEY"
    apart = found(f"OPENAI_BASE_URL={url}", OPENAI_API_KEY="hunter2")
    assert "gateway.example without OPENAI_API_KEY" in apart["OPENAI_BASE_URL", "ok"]
    assert apart["OPENAI_API_KEY", "ok"] == "set, for api.openai.com"


def test_what_is_malformed_has_failed_and_is_not_repeated(found):
    said = found(LABELER_API_KEYS="gpu-box=key,hunter2", OPENAI_BASE_URL="http://u:hunter2@h/v1")
    assert {name for name, state in said if state == "failed"} == {"LABELER_API_KEYS", "OPENAI_BASE_URL"}
    assert "hunter2" not in repr(said)
