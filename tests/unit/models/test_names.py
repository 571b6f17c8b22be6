"""What a model's name means, told in seconds whatever it is."""

import threading
import time
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError

from labeler.errors import InputError
from labeler.llm.names import open_backend
from labeler.models import hub, names
from labeler.models.names import SMOLLM2, cache_folder, check_name, public, resolve, usual
from tests.fakes import environment


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the hub is asked about; it is out of reach until a test says otherwise, and nothing of it is kept here."""
    calls = []

    def model_info(_self, name, **_options):
        calls.append(name)
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    hub.found.cache_clear()
    yield calls
    hub.found.cache_clear()


def answers(monkeypatch, answer):
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda _self, name, **_options: answer(name))


def refused(name):
    began = time.monotonic()
    with pytest.raises(InputError) as error:
        check_name(name)
    assert time.monotonic() - began < 5
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["smollm", "smolm2-135m", "SmolLM-135M", "smollm2_135m", "smollm2"])
def test_a_misspelt_built_in_is_named_and_nobody_is_asked(asked, name):
    assert refused(name).startswith(f"no model '{name}'; did you mean the built-in 'smollm2-135m'?")
    assert asked == []


def test_a_model_out_of_a_cache_goes_by_its_public_name(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert public(str(cache_folder() / f"{SMOLLM2}-5dce440")) == SMOLLM2
    assert public(f"{cache_folder()}/{SMOLLM2}-5dce440/") == SMOLLM2
    monkeypatch.chdir(cache_folder().parent)
    assert public(f"labeler/{SMOLLM2}-5dce440") == SMOLLM2
    hub_cache = "/root/.cache/huggingface/hub"
    assert public(f"{hub_cache}/models--google--gemma-2b/snapshots/9cf48e52b224239de00d483ec8eb84fb8d0f3a3a") == (
        "google/gemma-2b"
    )
    assert public(f"{hub_cache}/models--gpt2/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e") == "gpt2"
    assert public("HuggingFaceTB/SmolLM2-135M-Instruct") == SMOLLM2


@pytest.mark.parametrize(
    "name",
    ["./my-model", "/data/models/mine", f"/elsewhere/{SMOLLM2}-5dce440", f"{SMOLLM2}-mine", "google/gemma-2b", "gpt2"],
)
def test_any_other_folder_or_name_of_a_model_stays_what_it_is(name):
    assert public(name) == name


@pytest.mark.parametrize("name", ["smollm2-135m", "SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"])
def test_the_built_in_one_has_several_names(asked, name):
    check_name(name)
    assert usual(name) == "smollm2-135m"
    assert asked == []


@pytest.mark.parametrize("name", ["gpt2", "bert-base-uncased", "org/model"])
def test_names_of_the_hub_are_asked_for_once(asked, monkeypatch, name):
    said = refused(name)
    assert asked == [name]
    assert said.startswith(f"no model '{name}' is on this machine, and the hub cannot be asked (Name or service")
    assert said.endswith("built in is 'smollm2-135m'; else give a folder, or org/name of the hub")
    answers(monkeypatch, lambda _name: SimpleNamespace())
    assert resolve(name) == name


def test_a_hub_that_never_answers_is_not_waited_for(asked, monkeypatch):
    ends = threading.Event()
    monkeypatch.setattr(hub, "SECONDS", 0.1)
    answers(monkeypatch, lambda _name: ends.wait(60))
    assert "the hub cannot be asked (no answer in 0.1 s)" in refused("gpt2")
    ends.set()


def test_a_model_that_the_hub_has_not_is_told(asked, monkeypatch):
    def unknown(name):
        response = SimpleNamespace(status_code=404, headers={}, request=None)
        error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
        error.response = response
        raise error

    answers(monkeypatch, unknown)
    assert refused("gpt-two").startswith("the hub has no model 'gpt-two', or none that it shows you; built in is")


def test_without_a_line_what_is_here_is_used(asked, tmp_path, monkeypatch):
    kept = tmp_path / "hub" / "models--gpt2"
    snapshot = kept / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc")
    assert resolve("gpt2") == str(snapshot)
    assert asked == ["gpt2"]
    hub.found.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert resolve("gpt2") == str(snapshot)
    assert asked == ["gpt2"]
    assert "HF_HUB_OFFLINE is set" in refused("distilgpt2")


def test_a_folder_is_itself(asked, tmp_path, monkeypatch):
    (tmp_path / "smollm").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("smollm") == "smollm"
    assert refused("./smol").startswith("no model folder at './smol'")
    assert asked == []


def test_a_backend_is_not_opened_for_a_name_that_means_nothing(asked):
    with pytest.raises(InputError, match="did you mean the built-in 'smollm2-135m'"):
        open_backend("local:smolm2-135m", environment.settings())


def test_nothing_is_unpacked_to_look_at_a_name(monkeypatch):
    monkeypatch.setattr(names, "smollm2_folder", lambda: pytest.fail("it was unpacked"))
    check_name("smollm2-135m")
