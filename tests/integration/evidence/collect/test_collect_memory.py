"""Evidence of a model and an autoencoder that are in memory: the same as by their names, and told by their weights."""

import asyncio
import copy
import json
import random
import shutil
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import labeler
from labeler.errors import InputError
from labeler.models.given import given_model, identity
from labeler.models.precision import precision
from tests.fakes.collecting import quick_collections
from tests.fakes.dictionary import save_dictionary, weights
from tests.fakes.sae import SAE
from tests.fakes.tiny_model import save_tiny_model

PROSE = "the cat sat on the mat and then they ate the other bread while a breath of air stood over there".split()


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    with quick_collections(tmp_path_factory.mktemp("cache"), 3_000):
        yield


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    save_tiny_model(folder / "model")
    save_dictionary(folder / "sae", architecture="jumprelu", tensors={**weights(), "threshold": torch.full((64,), 0.5)})
    rng = random.Random(0)
    lines = [json.dumps({"text": " ".join(rng.choices(PROSE, k=100))}) for _ in range(60)]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def model(own):
    """As this machine would load it by its name, so that numbers are rounded alike."""
    return AutoModelForCausalLM.from_pretrained(own / "model", dtype=precision().dtype)


@pytest.fixture(scope="module")
def tokenizer(own):
    return AutoTokenizer.from_pretrained(own / "model")


@pytest.fixture
def sae():
    return SAE("jumprelu", {**weights(), "threshold": torch.full((64,), 0.5)})


def content(dictionary):
    store = dictionary.store
    return [
        (sorted((c.document, c.text, c.activations.tolist()) for c in feature.evidence.contexts), feature.index)
        for feature in dictionary
        if store.firing_contexts()[feature.index].any()
    ]


def test_objects_give_what_their_files_give_and_are_left_as_they_were(own, model, tokenizer, sae, tmp_path):
    model.train()
    model.model.layers[0].eval()  # its owner may have frozen a part
    given = {"corpus": own / "corpus.jsonl", "home": tmp_path, "tokens": 3_000}
    made = labeler.collect(model=model, tokenizer=tokenizer, dictionary=sae, name="made", **given)
    assert model.training
    assert not model.model.layers[0].training
    read = labeler.collect(model=model, tokenizer=tokenizer, dictionary=own / "sae", name="read", **given)
    assert content(made) == content(read)
    assert content(made)
    manifest = made.store.manifest
    assert (manifest.dictionary, manifest.hook) == ("SAE in memory", "blocks.0.hook_resid_post")
    assert manifest.model == str(own / "model")


def test_equal_weights_go_on_and_others_are_refused(own, model, tokenizer, sae, tmp_path):
    given = {"corpus": own / "corpus.jsonl", "home": tmp_path, "name": "mine"}
    some = labeler.collect(model=model, tokenizer=tokenizer, dictionary=sae, tokens=3_000, **given)
    twin = {"model": copy.deepcopy(model), "tokenizer": copy.deepcopy(tokenizer), "dictionary": copy.deepcopy(sae)}
    again = labeler.collect(tokens=3_000, **twin, **given)
    assert again.store.manifest.fingerprint == some.store.manifest.fingerprint
    more = labeler.collect(**twin, **given)
    assert more.store.manifest.n_tokens > some.store.manifest.n_tokens
    changed = {"dictionary": copy.deepcopy(sae), "model": copy.deepcopy(model)}
    with torch.no_grad():
        changed["dictionary"].b_enc[0] += 1
        changed["model"].lm_head.weight[0, 0] += 1
    for part, other in changed.items():
        with pytest.raises(InputError, match=rf"'mine' exists and was collected from something else \({part} differ\)"):
            labeler.collect(**{**twin, part: other}, **given)


def test_a_model_is_told_by_what_it_computes(own, model, tokenizer):
    first = identity(given_model(model, tokenizer))
    loaded = AutoModelForCausalLM.from_pretrained(own / "model", dtype=precision().dtype)
    loaded.config._name_or_path = "elsewhere"
    assert identity(given_model(loaded, tokenizer)) == first
    assert identity(given_model(copy.deepcopy(model).half(), tokenizer)) != first
    other = copy.deepcopy(tokenizer)
    other.add_tokens(["<new>"])
    assert identity(given_model(model, other)) != first


def test_a_loaded_model_is_called_by_its_public_name(own, tokenizer, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = shutil.copytree(own / "model", tmp_path / "labeler" / "smollm2-135m-5dce440")
    assert given_model(AutoModelForCausalLM.from_pretrained(kept), tokenizer).name == "smollm2-135m"
    assert given_model(AutoModelForCausalLM.from_pretrained(own / "model"), tokenizer).name == str(own / "model")


def test_it_works_while_a_loop_is_running(own, model, tokenizer, sae, tmp_path):
    async def cell():
        given = {"corpus": own / "corpus.jsonl", "home": tmp_path, "tokens": 3_000}
        made = labeler.collect(model=model, tokenizer=tokenizer, dictionary=sae, name="made", **given)
        run = made.label([feature.index for feature in made][:8], explainer="lexical", simulator="lexical")
        return made, run.work()

    made, ended = asyncio.run(cell())
    assert ended.done == ended.total == 8
    assert len(made) == 64


def without(*names):
    """An autoencoder that lacks something."""
    return SimpleNamespace(**{name: value for name, value in {**weights(), "cfg": {}}.items() if name not in names})


def turned(cfg):
    """One whose matrices are the other way round."""
    given = weights()
    return SimpleNamespace(**{**given, "W_enc": given["W_enc"].T, "W_dec": given["W_dec"].T}, cfg=cfg)


TRANSPOSED = r"W_enc has shape \[64, 32\], expected d_in, d_sae = \[32, 64\]; it is transposed"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"tokenizer": None}, "model is a LlamaForCausalLM that is loaded already; give its tokenizer"),
        ({"tokenizer": 3}, "tokenizer is a int"),
        ({"model": torch.nn.Linear(2, 2)}, "model is a Linear, no causal language model of transformers"),
        ({"model": 3}, "model is a int; give a folder"),
        ({"model": "smollm2-135m"}, "tokenizer goes with a loaded model; 'smollm2-135m' brings its own"),
        ({"dictionary": torch.nn.Linear(2, 2)}, "dictionary is a Linear; give a folder"),
        *(
            ({"dictionary": without(name)}, f"dictionary is a SimpleNamespace without {name}; an autoencoder has W_enc")
            for name in ("W_enc", "W_dec", "b_dec", "cfg")
        ),
        ({"dictionary": without("b_enc")}, "SimpleNamespace in memory: no tensor b_enc; a standard dictionary has"),
        ({"dictionary": turned({})}, TRANSPOSED),
        ({"dictionary": turned({"d_in": 32, "d_sae": 64})}, TRANSPOSED),
        ({"dictionary": without("b_dec", "W_dec")}, "without W_dec, b_dec; an autoencoder"),
        ({"corpus": ["a text"]}, "corpus is a list; give a file"),
        ({"tokens": 2.5}, "tokens is 2.5; give a whole number"),
        ({"hook": "blocks.9.hook_resid_post"}, "out of range"),
        ({"dictionary": SAE(tensors=weights(d_model=16))}, "'SAE in memory' reads 16 dimensions"),
    ],
)
def test_what_cannot_be_collected_with_is_named(own, model, tokenizer, sae, tmp_path, given, named):
    usual = {"model": model, "tokenizer": tokenizer, "dictionary": sae, "corpus": own / "corpus.jsonl"}
    with pytest.raises(InputError, match=named) as caught:
        labeler.collect(**{**usual, **given}, name="x", home=tmp_path)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.glob("**/manifest.json"))


def test_a_model_without_a_head_is_refused(own, model, tokenizer):
    with pytest.raises(InputError, match="model is a LlamaModel, no causal language model"):
        given_model(model.model, tokenizer)
