"""What ``labeler check`` says of keys, where each may go, and never the key; and of what the settings say of models."""

import json
import os

import pytest

from labeler.checks import facts, keys, servers
from labeler.settings import Settings, read_settings
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


def test_what_is_malformed_is_told_and_not_repeated(found):
    said = found(LABELER_API_KEYS="gpu-box=key,hunter2", OPENAI_BASE_URL="http://u:hunter2@h/v1")
    assert {name for name, state in said if state == "malformed"} == {"LABELER_API_KEYS", "OPENAI_BASE_URL"}
    assert "hunter2" not in repr(said)


@pytest.fixture
def of_models(tmp_path):
    def of(**written):
        given = {}
        for name, content in written.items():
            given[name] = content if name == "limits" else tmp_path / f"{name}.json"
            if name != "limits" and content is not None:
                given[name].write_text(content)
        return {one.name: (one.state, one.said) for one in facts(Settings(_env_file=None, **given))}

    return of


GOOD = {
    "models": json.dumps({"openai:a": {"context": 4096}, "openai:b": {"context": 4096}}),
    "prices": json.dumps({"openai:a": {"input": 1, "output": 2}}),
    "limits": "openai:a=500,anthropic=4000//80000,openai:b=1",
}
BAD = {
    "models": ["{", "[]", '{"openai:a": {"contexts": 1}}', '{"nobody:a": {}}', None],
    "prices": ["{", '{"openai:a": {"input": "1", "output": 2}}', '{"openai:a": {"input": 1}}', None],
    "limits": ["garbage", "openai:a=many", "nobody=5"],
}


def test_files_of_models_and_prices_are_read(of_models):
    found = of_models(**GOOD)
    assert {name: found[f"LABELER_{name.upper()}"] for name in GOOD} == {
        "models": ("ok", "read; entries: 2"),
        "prices": ("ok", "read; entries: 1"),
        "limits": ("ok", "read; entries: 3"),
    }
    assert {state for name, (state, _) in of_models().items() if name != "prices"} == {"absent"}


@pytest.mark.parametrize(("which", "content"), [(which, one) for which, some in BAD.items() for one in some])
def test_a_broken_one_is_named_and_hides_no_other(of_models, which, content):
    found = of_models(**{**GOOD, which: content})
    broken = [name for name, (state, _) in found.items() if state == "malformed"]
    assert broken == [f"LABELER_{which.upper()}"]
    assert broken[0] in found[broken[0]][1]
    assert len(found[broken[0]][1].splitlines()) == 1


def test_a_key_in_a_body_is_malformed_and_is_not_repeated(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({"openai:a": {"extra_body": {"user": "hunter2hunter2"}}}))
    settings = Settings(_env_file=None, models=tmp_path / "m.json", openai_api_key="hunter2hunter2")
    found = {one.name: one for one in facts(settings)}
    assert found["LABELER_MODELS"].state == "malformed"
    assert "hunter2" not in repr(found)


def test_how_many_prices_are_known_is_told_with_their_date(of_models):
    state, said = of_models()["prices"]
    assert state == "ok"
    assert int(said.split()[0].replace(",", "")) > 100
    assert "genai-prices" in said
    assert "20" in said.rpartition("change in it of ")[2]


def test_a_look_at_the_home_makes_none(tmp_path):
    found = {one.name: one for one in servers(Settings(_env_file=None, home=tmp_path / "a" / "b"))}
    assert {one.state for one in found.values()} == {"ok"}
    assert "not there yet" in found["home"].said
    assert "not there yet" in found["database"].said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_made_has_failed(tmp_path):
    tmp_path.chmod(0o500)
    found = {one.name: one for one in servers(Settings(_env_file=None, home=tmp_path / "home"))}
    assert found["home"].state == "failed"


def test_a_home_below_a_file_has_failed(tmp_path):
    (tmp_path / "file").touch()
    found = {one.name: one for one in servers(Settings(_env_file=None, home=tmp_path / "file" / "home"))}
    assert found["home"].state == "failed"
