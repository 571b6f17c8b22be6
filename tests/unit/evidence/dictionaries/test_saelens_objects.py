"""Autoencoders of SAELens that are in memory: what they compute, whatever version holds them, and who they are."""

import copy
import dataclasses
import types

import numpy as np
import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.collect.collect import wanted
from labeler.evidence.dictionaries import load_dictionary
from labeler.evidence.dictionaries.saelens import lacking, of_object
from tests.fakes.dictionary import gate, inputs, random_weights, save_dictionary
from tests.fakes.sae import SAE

KINDS = [
    {"architecture": "standard"},
    {"architecture": "standard", "apply_b_dec_to_input": False},
    {"architecture": "standard", "normalize_activations": "layer_norm"},
    {"architecture": "jumprelu", "normalize_activations": "constant_norm_rescale", "apply_b_dec_to_input": False},
    {"architecture": "jumprelu", "normalize_activations": "expected_average_only_in"},
    {"architecture": "topk", "k": 5},
    {"architecture": "topk", "k": 5, "rescale_acts_by_decoder_norm": True, "normalize_activations": "layer_norm"},
    {"architecture": "gated"},
]


@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_what_its_own_encode_computes(kind):
    sae = SAE(**kind)
    found = of_object(sae)
    torch.testing.assert_close(found.encode(inputs()), sae.encode(inputs()), atol=1e-5, rtol=1e-4)
    assert (found.model, found.hook, found.bos) == ("tiny", "blocks.0.hook_resid_post", True)
    assert not found.W_dec.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_dictionary_that_it_would_be_saved_as(kind, tmp_path):
    sae = SAE(**kind)
    stated = sae.cfg.to_dict()
    folder = save_dictionary(tmp_path / "sae", dict(sae.state_dict()), **stated)
    assert of_object(sae).fingerprint() == load_dictionary(folder).fingerprint()


def test_it_is_told_by_its_weights_and_not_by_the_object():
    sae, other = SAE(), SAE()
    assert of_object(sae).fingerprint() == of_object(copy.deepcopy(sae)).fingerprint() == of_object(other).fingerprint()
    with torch.no_grad():
        other.b_enc[3] += 0.5
    assert of_object(sae).fingerprint() != of_object(other).fingerprint()
    assert of_object(sae).fingerprint() != of_object(SAE(apply_b_dec_to_input=False)).fingerprint()
    half = SAE(tensors={name: value.half().float() for name, value in random_weights().items()})
    assert of_object(half).fingerprint() == of_object(copy.deepcopy(half).half()).fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_its_weights_may_be_arrays_of_numpy(kind):
    sae = SAE(**kind)
    arrays = {name: value.numpy().copy() for name, value in sae.state_dict().items()}
    found = of_object(types.SimpleNamespace(**arrays, cfg=sae.cfg))
    arrays["W_enc"][:] = 0  # the weights are those of then
    assert found.fingerprint() == of_object(sae).fingerprint()


def test_arrays_without_numbers_are_refused():
    sae = SAE()
    arrays = {name: value.numpy() for name, value in sae.state_dict().items()}
    with pytest.raises(InputError, match="weights are an array of <U1"):
        of_object(types.SimpleNamespace(**{**arrays, "b_dec": np.array(["x"])}, cfg=sae.cfg))


def flat(**changes):
    """As before SAELens 6: everything at the top, the architecture a word."""
    said = {
        "architecture": "standard", "activation_fn_str": "relu", "activation_fn_kwargs": {}, "d_in": 32, "d_sae": 64,
        "apply_b_dec_to_input": True, "normalize_activations": "none", "model_name": "tiny", "prepend_bos": False,
        "hook_name": "blocks.1.hook_mlp_out", "hook_layer": 1, "finetuning_scaling_factor": False,
    }  # fmt: skip
    return {**said, **changes}


@pytest.mark.parametrize(
    "held", [dict, lambda said: types.SimpleNamespace(**said), lambda said: type("Cfg", (), said)()]
)
def test_configurations_of_any_version_are_read(held):
    sae = SAE()
    expected = sae.encode(inputs())
    sae.cfg = held(flat())
    found = of_object(sae)
    assert (found.hook, found.bos) == ("blocks.1.hook_mlp_out", False)
    torch.testing.assert_close(found.encode(inputs()), expected, atol=1e-5, rtol=1e-4)
    sae.cfg = held(flat(activation_fn_str="topk", activation_fn_kwargs={"k": 5}))
    assert (of_object(sae).encode(inputs()) > 0).sum(dim=-1).max() <= 5


def test_what_is_in_training_counts_as_it_is_used():
    w = random_weights()
    jump = SAE("jumprelu")
    expected = jump.encode(inputs())
    threshold = jump.threshold.detach()
    del jump.threshold
    type(jump).threshold = property(lambda self: self.log_threshold.exp())
    try:
        jump.log_threshold = torch.nn.Parameter(threshold.log())
        torch.testing.assert_close(of_object(jump).encode(inputs()), expected, atol=1e-4, rtol=1e-3)
    finally:
        del type(jump).threshold
    batch = SAE("topk", k=4)
    batch.cfg = dataclasses.replace(batch.cfg, kind="batchtopk")
    batch.register_buffer("topk_threshold", torch.tensor(0.8, dtype=torch.double))
    pre = (inputs() - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    torch.testing.assert_close(of_object(batch).encode(inputs()), pre * (pre > 0.8), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda sae: setattr(sae.cfg, "kind", "crosscoder"), "SAE in memory: architecture 'crosscoder' is not read"),
        (lambda sae: setattr(sae.cfg, "d_sae", 3), r"SAE in memory: W_enc has shape \[32, 64\]"),
        (lambda sae: setattr(sae.cfg, "normalize_activations", "odd"), "normalize_activations 'odd' is not read"),
        (lambda sae: delattr(sae, "b_enc"), "SAE in memory: no tensor b_enc"),
        (lambda sae: sae.W_dec.data.fill_(float("nan")), "W_dec holds NaN"),
        (lambda sae: setattr(sae.cfg, "kind", "topk"), "SAE in memory: k is None"),
    ],
)
def test_what_does_not_fit_is_named(change, named):
    sae = SAE()
    change(sae)
    with pytest.raises(InputError, match=named) as caught:
        of_object(sae)
    assert "\n" not in str(caught.value)


def test_a_collection_takes_paths_autoencoders_and_what_was_read_and_names_what_is_neither(tmp_path):
    assert not lacking(SAE())
    assert wanted("a", SAE(), "layers.1").loaded.fingerprint() == of_object(SAE()).fingerprint()
    folder = save_dictionary(tmp_path / "sae", {**random_weights(), **gate()})
    read = load_dictionary(folder)
    assert wanted("a", read, None).loaded.fingerprint() == read.fingerprint()
    assert wanted("a", folder, None).dictionary == str(folder)
    for wrong in (None, 3, {"W_enc": 1}, torch.nn.Linear(2, 2)):
        with pytest.raises(InputError, match=f"dictionary is a {type(wrong).__name__}; give a folder"):
            wanted("a", wrong, None)
